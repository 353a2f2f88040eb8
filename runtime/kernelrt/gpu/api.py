"""The Vulkan C API as the PyPI package `vulkan` loads it: calls that check their result, structs that stay alive."""

import importlib
from collections.abc import Sequence
from typing import Any

from kernelrt.gpu.errors import DeviceLostError, GpuError

# The package has no types: its CFFI objects (handles, structs, arrays) are `Any` everywhere in this layer.
CData = Any


class Vk:
    """`ffi` and `lib` of the package, with checked calls. Create it with `Vk.load()`."""

    def __init__(self, package: Any) -> None:
        self._package = package
        self.ffi = package.ffi
        self.lib = package.lib
        self.null = package.ffi.NULL
        self.whole = 2**64 - 1  # VK_WHOLE_SIZE, which the package lacks

    @staticmethod
    def load() -> "Vk":
        """Loads the Vulkan loader (libvulkan). Raises GpuError where the loader or the Python package is missing."""
        try:
            return Vk(importlib.import_module("vulkan"))
        except ModuleNotFoundError as error:
            raise GpuError(f"the Python package 'vulkan' is not installed ({error}): pip install vulkan") from error
        except OSError as error:
            raise GpuError(f"no Vulkan loader ({error}): install libvulkan1 (Fedora: vulkan-loader)") from error

    def call(self, name: str, *args: Any) -> None:
        """Calls a core function that returns VkResult; raises GpuError naming call and result unless it succeeds."""
        self.check(name, getattr(self.lib, name)(*args))

    def check(self, name: str, result: int) -> None:
        """Raises GpuError unless `result` is VK_SUCCESS or VK_INCOMPLETE; DeviceLostError where that is it."""
        if result == self.lib.VK_ERROR_DEVICE_LOST:
            raise DeviceLostError(
                f"the device was lost during {name}: reset by the driver, unplugged, or a kernel ran too long;"
                " look at the kernel log (dmesg) and start again"
            )
        if result not in (self.lib.VK_SUCCESS, self.lib.VK_INCOMPLETE):
            raise GpuError(f"{name} failed: {self.result_name(result)}")

    def result_name(self, result: int) -> str:
        names: dict[int, str] = self.ffi.typeof("VkResult").elements
        return names.get(int(result), f"VkResult {int(result)}")

    def create(self, name: str, ctype: str, *args: Any) -> CData:
        """Calls a core function whose last argument returns one handle, and gives that handle."""
        out = self.ffi.new(f"{ctype}*")
        self.call(name, *args, out)
        return out[0]

    def listed(self, name: str, ctype: str, *args: Any) -> CData:
        """Calls a core function of the count-then-fill kind; gives the filled array."""
        count = self.ffi.new("uint32_t*")
        self.call(name, *args, count, self.null)
        out = self.ffi.new(f"{ctype}[]", count[0])
        self.call(name, *args, count, out)
        return out

    def instance_function(self, instance: CData, name: str) -> Any:
        """An extension's function of an instance."""
        pointer = self.lib.vkGetInstanceProcAddr(instance, name.encode())
        if pointer == self.null:
            raise GpuError(f"the Vulkan loader does not know {name}: a newer loader (libvulkan1) is needed")
        return self.ffi.cast(f"PFN_{name}", pointer)

    def device_function(self, device: CData, name: str) -> Any:
        """An extension's function of a device; the extension must be enabled."""
        pointer = self.lib.vkGetDeviceProcAddr(device, name.encode())
        if pointer == self.null:
            raise GpuError(f"the device does not have {name}")
        return self.ffi.cast(f"PFN_{name}", pointer)

    def structure_type(self, ctype: str) -> int:
        """The sType of a struct: the default that the package's constructor has for it."""
        return int(getattr(self._package, ctype).__defaults__[0])

    def string(self, chars: CData) -> str:
        return str(self.ffi.string(chars).decode("utf-8", "replace"))


class Arena:
    """Structs for one call. CFFI does not keep alive what a struct points to; the arena does, while it lives itself."""

    def __init__(self, vk: Vk) -> None:
        self._vk = vk
        self._kept: list[CData] = []

    def new(self, ctype: str, **fields: Any) -> CData:
        """A zeroed struct with its sType and the given fields; pointers must come from this arena or outlive it."""
        struct = self._vk.ffi.new(f"{ctype}*", fields)
        if dict(self._vk.ffi.typeof(ctype).fields).keys() >= {"sType", "pNext"}:
            struct.sType = self._vk.structure_type(ctype)
        self._kept.append(struct)
        return struct

    def array(self, ctype: str, values: Sequence[Any]) -> CData:
        """A C array; values of a struct type may be pointers from `new` (they are copied)."""
        is_struct = self._vk.ffi.typeof(ctype).kind == "struct"
        array = self._vk.ffi.new(f"{ctype}[]", [value[0] if is_struct else value for value in values])
        self._kept.append(array)
        return array

    def strings(self, values: Sequence[str]) -> CData:
        texts = [self._vk.ffi.new("char[]", value.encode()) for value in values]
        self._kept.extend(texts)
        return self.array("char*", texts)

    def text(self, value: str) -> CData:
        text = self._vk.ffi.new("char[]", value.encode())
        self._kept.append(text)
        return text

    def data(self, value: bytes) -> CData:
        """A copy of the bytes as `void*`."""
        # uint64 elements, so that the copy is aligned for SPIR-V words and for any scalar.
        copy = self._vk.ffi.new("uint64_t[]", -(-len(value) // 8) or 1)
        self._vk.ffi.memmove(copy, value, len(value))
        self._kept.append(copy)
        return self._vk.ffi.cast("void*", copy)

    def chain(self, head: CData, *rest: CData) -> CData:
        """Links structs by pNext, in order; gives the head."""
        previous = head
        for struct in rest:
            previous.pNext = struct
            previous = struct
        return head
