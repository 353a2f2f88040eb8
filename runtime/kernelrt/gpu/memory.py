"""Storage buffers: allocation, and moving bytes in and out."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import copy_buffer, fill_buffer
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.resource import Resource

Data = bytes | bytearray | memoryview | NDArray[Any]
_STAGING = 64 << 20  # bytes of one staging copy


class Buffer(Resource):
    """A storage buffer of `nbytes`, for its whole life in one allocation.

    Host-visible memory is mapped once: on a CPU or integrated device (`host=None` picks it there), or where `host` is
    true. Elsewhere reads and writes go through a staging copy. Contents start undefined.
    """

    def __init__(self, device: Device, nbytes: int, host: bool | None = None) -> None:
        if nbytes <= 0:
            raise GpuError(f"a buffer of {nbytes} bytes cannot be created")
        if host is None:
            host = device.info.device_type in ("cpu", "integrated")
        self.nbytes = nbytes
        try:
            self.handle, self.memory = _allocate(device, nbytes, host)
        except GpuError as error:
            raise GpuError(f"a buffer of {nbytes} bytes on {device.info.name}: {error}") from error
        super().__init__(device)
        self._mapped: CData | None = None
        if host:
            vk = device.vk
            pointer = vk.ffi.new("void**")
            vk.call("vkMapMemory", device.handle, self.memory, 0, vk.whole, 0, pointer)
            self._mapped = vk.ffi.cast("char*", pointer[0])

    def write(self, data: Data, offset: int = 0) -> None:
        """Copies bytes (a C-contiguous array's) into the buffer at byte `offset`. Raises GpuError outside of it."""
        source = _view(data)
        self._inside(offset, source.nbytes)
        if not source.nbytes:
            return
        if self._mapped is not None:
            self.device.vk.ffi.memmove(self._mapped + offset, source, source.nbytes)
            return
        with _staging(self, source.nbytes) as staging:
            for start in range(0, source.nbytes, staging.nbytes):
                part = source[start : start + staging.nbytes]
                staging.write(part)
                copy_buffer(self.device, staging.handle, 0, self.handle, offset + start, part.nbytes)

    def read(self, nbytes: int | None = None, offset: int = 0) -> bytes:
        """`nbytes` bytes from byte `offset` (to the end where not given). Raises GpuError outside of the buffer."""
        size = self.nbytes - offset if nbytes is None else nbytes
        self._inside(offset, size)
        if not size:
            return b""
        if self._mapped is not None:
            return bytes(self.device.vk.ffi.buffer(self._mapped + offset, size))
        out = bytearray(size)
        with _staging(self, size) as staging:
            for start in range(0, size, staging.nbytes):
                part = min(staging.nbytes, size - start)
                copy_buffer(self.device, self.handle, offset + start, staging.handle, 0, part)
                out[start : start + part] = staging.read(part)
        return bytes(out)

    def array(self, dtype: DTypeLike, count: int | None = None, offset: int = 0) -> NDArray[Any]:
        """`count` elements of `dtype` from byte `offset` (all that fit where not given), as a writable copy."""
        width = np.dtype(dtype).itemsize
        elements = (self.nbytes - offset) // width if count is None else count
        return np.frombuffer(bytearray(self.read(elements * width, offset)), dtype=dtype)

    def fill(self, word: int) -> None:
        """Sets every 32-bit word to `word` (0 to clear, a NaN pattern to poison)."""
        self.must_be_open()
        fill_buffer(self.device, self.handle, word)

    def _inside(self, offset: int, nbytes: int) -> None:
        self.must_be_open()
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            raise GpuError(f"bytes {offset}..{offset + nbytes} are outside of a buffer of {self.nbytes} bytes")

    def _destroy(self) -> None:
        vk = self.device.vk
        self._mapped = None
        vk.lib.vkDestroyBuffer(self.device.handle, self.handle, vk.null)
        vk.lib.vkFreeMemory(self.device.handle, self.memory, vk.null)


def upload(device: Device, data: Data) -> Buffer:
    """A new buffer with these bytes."""
    buffer = Buffer(device, _view(data).nbytes)
    buffer.write(data)
    return buffer


def _view(data: Data) -> memoryview:
    """The bytes of an array in C order, or of a bytes-like object, without a copy where they lie so."""
    view = np.ascontiguousarray(data).data if isinstance(data, np.ndarray) else memoryview(data)
    # An empty view cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def _staging(buffer: Buffer, nbytes: int) -> Buffer:
    return Buffer(buffer.device, min(nbytes, _STAGING), host=True)


def _allocate(device: Device, nbytes: int, host: bool) -> tuple[CData, CData]:
    """A buffer and its memory, bound."""
    vk, lib, arena = device.vk, device.vk.lib, Arena(device.vk)
    usage = (
        lib.VK_BUFFER_USAGE_STORAGE_BUFFER_BIT
        | lib.VK_BUFFER_USAGE_TRANSFER_SRC_BIT
        | lib.VK_BUFFER_USAGE_TRANSFER_DST_BIT
    )
    # Rounded up so that a vector load of the last element, and vkCmdFillBuffer, stay inside.
    info = arena.new("VkBufferCreateInfo", size=-(-nbytes // 16) * 16, usage=usage)
    handle = vk.create("vkCreateBuffer", "VkBuffer", device.handle, info, vk.null)
    memory = vk.null
    try:
        needs = vk.ffi.new("VkMemoryRequirements*")
        lib.vkGetBufferMemoryRequirements(device.handle, handle, needs)
        kind = _memory_type(device, int(needs.memoryTypeBits), host)
        allocate = arena.new("VkMemoryAllocateInfo", allocationSize=needs.size, memoryTypeIndex=kind)
        memory = vk.create("vkAllocateMemory", "VkDeviceMemory", device.handle, allocate, vk.null)
        vk.call("vkBindBufferMemory", device.handle, handle, memory, 0)
    except GpuError:
        lib.vkDestroyBuffer(device.handle, handle, vk.null)
        lib.vkFreeMemory(device.handle, memory, vk.null)
        raise
    return handle, memory


def _memory_type(device: Device, allowed: int, host: bool) -> int:
    """The memory type: device-local first; host-visible and coherent where `host`."""
    lib, memory = device.vk.lib, device.memory_properties
    local = lib.VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
    visible = lib.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | lib.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
    cached = lib.VK_MEMORY_PROPERTY_HOST_CACHED_BIT
    unified = device.info.device_type in ("cpu", "integrated")
    # A staging buffer of a discrete device belongs in system memory: reading it back over the bus would be slow.
    wishes = (
        ((visible | local | cached, visible | local, visible) if unified else (visible | cached, visible))
        if host
        else (local, 0)
    )
    for wish in wishes:
        for index in range(memory.memoryTypeCount):
            if allowed >> index & 1 and memory.memoryTypes[index].propertyFlags & wish == wish:
                return index
    raise GpuError(f"{device.info.name} has no memory type for it")
