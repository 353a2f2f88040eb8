"""The memories of all tiles in one allocation, with a mark for each byte behind them."""

from collections.abc import Sequence

import numpy as np

from kernelrt.npu.jit.core import Shadow
from kernelrt.npu.sim.pattern import Bytes

_GUARD = 64  # bytes between two memories that nothing may write
_FILL = 0xA5
_ALIGN = 64  # for the widest vector


class Arena:
    """`marks` of a byte lie `shadow.distance` behind it and are not 0 once it was written."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._places: list[tuple[int, int]] = []
        end = _GUARD
        for size in sizes:
            self._places.append((end, end + size))
            end += -(-size // _ALIGN) * _ALIGN + _GUARD
        self._bytes = np.full(2 * end + _ALIGN, _FILL, np.uint8)
        skip = -self._bytes.ctypes.data % _ALIGN
        self._data = self._bytes[skip : skip + end]
        self._marks = self._bytes[skip + end : skip + 2 * end]
        self._marks[:] = 0
        self.shadow = Shadow(self._data.ctypes.data, end, end)

    def data(self, number: int) -> Bytes:
        start, end = self._places[number]
        return self._data[start:end]

    def marks(self, number: int) -> Bytes:
        start, end = self._places[number]
        return self._marks[start:end]

    def overrun(self) -> int | None:
        """The number of a memory behind which something was written; None where nothing was."""
        starts = [start for start, _ in self._places[1:]] + [len(self._data)]
        for number, ((_, end), start) in enumerate(zip(self._places, starts, strict=True)):
            if bool((self._data[end:start] != _FILL).any()):
                return number
        return None
