"""A Vulkan driver that loses its device: the real one, but for one call of one function."""

import sys
from typing import Any

from kernelrt.gpu.api import Vk


class _Lossy:
    """The loader's functions; `function` gives VK_ERROR_DEVICE_LOST from its `last`-th call on, and does nothing."""

    def __init__(self, lib: Any, function: str, last: int) -> None:
        self._lib, self._function, self._last = lib, function, last
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return self._counted if name == self._function else getattr(self._lib, name)

    def _counted(self, *arguments: Any) -> int:
        self.calls += 1
        if self._last and self.calls >= self._last:
            return self._lib.VK_ERROR_DEVICE_LOST
        return getattr(self._lib, self._function)(*arguments)


def lose(function: str, last: int) -> None:
    """From now on the process has such a driver; with `last` 0 it only counts, and says how often at the end."""
    import atexit

    load = Vk.load

    def lossy() -> Vk:
        vk = load()
        lib = vk.lib = _Lossy(vk.lib, function, last)
        atexit.register(lambda: print(f"calls {lib.calls}", file=sys.__stderr__, flush=True))
        return vk

    Vk.load = staticmethod(lossy)
