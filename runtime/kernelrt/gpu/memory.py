"""Storage buffers: their memory, and moving bytes in and out."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import copy_buffer, fill_buffers
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.imported import Imported
from kernelrt.gpu.placement import Placement, candidates
from kernelrt.gpu.resource import Resource

Data = bytes | bytearray | memoryview | NDArray[Any]
_STAGING = 64 << 20  # bytes of one staging copy
_GRANULE = (
    16  # buffers are rounded up to it, so that a vector load of the last element, and vkCmdFillBuffer, stay inside
)


class Block(Resource):
    """One allocation of device memory of the given type; mapped for its whole life where the host sees it."""

    def __init__(self, device: Device, memory_type: int, nbytes: int) -> None:
        vk, arena = device.vk, Arena(device.vk)
        info = arena.new("VkMemoryAllocateInfo", allocationSize=nbytes, memoryTypeIndex=memory_type)
        self.nbytes = nbytes
        self.memory_type = memory_type
        self.handle = vk.create("vkAllocateMemory", "VkDeviceMemory", device.handle, info, vk.null)
        super().__init__(device)
        self.mapped: CData | None = None
        if device.memory.types[memory_type].visible:
            pointer = vk.ffi.new("void**")
            vk.call("vkMapMemory", device.handle, self.handle, 0, vk.whole, 0, pointer)
            self.mapped = vk.ffi.cast("char*", pointer[0])

    def _destroy(self) -> None:
        self.mapped = None
        self.device.vk.lib.vkFreeMemory(self.device.handle, self.handle, self.device.vk.null)


class Buffer(Resource):
    """A storage buffer of `nbytes`, for its whole life in the same memory.

    `Buffer(device, nbytes, host)` has an allocation of its own: memory that the host sees where `host` is true (None:
    on a CPU or integrated device). With `at` it lies in a block, at an offset in bytes. Bytes of memory that the host
    does not see are read and written through a staging copy. Contents start undefined.
    """

    def __init__(
        self, device: Device, nbytes: int, host: bool | None = None, *, at: tuple[Block | Imported, int] | None = None
    ) -> None:
        if nbytes <= 0:
            raise GpuError(f"a buffer of {nbytes} bytes cannot be created")
        if host is None:
            host = device.info.unified
        self.nbytes = nbytes
        vk, lib = device.vk, device.vk.lib
        self.handle, needs = _create(device, nbytes, at is not None and isinstance(at[0], Imported))
        self._own: Block | None = None
        try:
            if at is None:
                kind = _memory_type(device, int(needs.memoryTypeBits), host)
                block, offset = Block(device, kind, int(needs.size)), 0
                self._own = block
            else:
                block, offset = at
                _must_fit(needs, block, offset)
            vk.call("vkBindBufferMemory", device.handle, self.handle, block.handle, offset)
        except GpuError as error:
            lib.vkDestroyBuffer(device.handle, self.handle, vk.null)
            if self._own is not None:
                self._own.close()
            raise GpuError(f"a buffer of {nbytes} bytes on {device.info.name}: {error}") from error
        super().__init__(device)
        self._mapped: CData | None = None if block.mapped is None else block.mapped + offset

    @property
    def mapped(self) -> bool:
        """Whether the host sees it without a copy."""
        return self._mapped is not None

    def view(self) -> memoryview:
        """The bytes themselves, writable, where the host sees them (GpuError where not). Not to be used once closed."""
        self.must_be_open()
        if self._mapped is None:
            raise GpuError(f"a buffer of {self.nbytes} bytes lies in memory that the host does not see")
        return memoryview(self.device.vk.ffi.buffer(self._mapped, self.nbytes)).cast("B")

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
        fill_buffers(self.device, [(self.handle, word)])

    def close(self) -> None:
        """Frees it, and the memory that is its own; a second call does nothing."""
        super().close()
        if self._own is not None:
            self._own.close()

    def _inside(self, offset: int, nbytes: int) -> None:
        self.must_be_open()
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            raise GpuError(f"bytes {offset}..{offset + nbytes} are outside of a buffer of {self.nbytes} bytes")

    def _destroy(self) -> None:
        self._mapped = None
        self.device.vk.lib.vkDestroyBuffer(self.device.handle, self.handle, self.device.vk.null)


def upload(device: Device, data: Data) -> Buffer:
    """A new buffer with these bytes."""
    buffer = Buffer(device, _view(data).nbytes)
    buffer.write(data)
    return buffer


def allocate(device: Device, placement: Placement) -> dict[str, Buffer]:
    """The buffers of a placement by their names. Raises GpuError where the driver does not give what it announced."""
    blocks: list[Block] = []
    for kind, nbytes in placement.blocks:
        try:
            blocks.append(Block(device, kind, nbytes))
        except GpuError as error:
            raise GpuError(f"{device.info.name}: {nbytes} bytes of memory type {kind}: {error}") from error
    return {
        place.item.name: Buffer(device, place.item.nbytes, at=(blocks[place.block], place.offset))
        for place in placement.places
    }


def _view(data: Data) -> memoryview:
    """The bytes of an array in C order, or of a bytes-like object, without a copy where they lie so."""
    view = np.ascontiguousarray(data).data if isinstance(data, np.ndarray) else memoryview(data)
    # An empty view cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def _staging(buffer: Buffer, nbytes: int) -> Buffer:
    return Buffer(buffer.device, min(nbytes, _STAGING), host=True)


def _create(device: Device, nbytes: int, imported: bool) -> tuple[CData, CData]:
    """A VkBuffer without memory, and what it needs."""
    vk, lib = device.vk, device.vk.lib
    usage = (
        lib.VK_BUFFER_USAGE_STORAGE_BUFFER_BIT
        | lib.VK_BUFFER_USAGE_TRANSFER_SRC_BIT
        | lib.VK_BUFFER_USAGE_TRANSFER_DST_BIT
    )
    size = -(-nbytes // _GRANULE) * _GRANULE
    arena, more = Arena(vk), vk.null
    if imported:
        kind = lib.VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT
        more = arena.new("VkExternalMemoryBufferCreateInfo", handleTypes=kind)
    info = arena.new("VkBufferCreateInfo", pNext=more, size=size, usage=usage)
    try:
        handle = vk.create("vkCreateBuffer", "VkBuffer", device.handle, info, vk.null)
    except GpuError as error:
        raise GpuError(f"a buffer of {nbytes} bytes on {device.info.name}: {error}") from error
    needs = vk.ffi.new("VkMemoryRequirements*")
    lib.vkGetBufferMemoryRequirements(device.handle, handle, needs)
    return handle, needs


def _must_fit(needs: CData, block: Block | Imported, offset: int) -> None:
    if offset % int(needs.alignment) or offset + int(needs.size) > block.nbytes:
        raise GpuError(
            f"{int(needs.size)} bytes aligned to {int(needs.alignment)} do not fit at {offset} of {block.nbytes} bytes"
        )
    if not int(needs.memoryTypeBits) >> block.memory_type & 1:
        raise GpuError(f"a storage buffer cannot lie in memory type {block.memory_type}")


def _memory_type(device: Device, allowed: int, host: bool) -> int:
    """The memory type of a buffer with its own allocation."""
    # A staging buffer of a discrete device belongs in system memory: reading it back over the bus would be slow.
    use = "device" if not host else "upload" if device.info.unified else "staging"
    for index in candidates(device.memory, use):
        if allowed >> index & 1:
            return index
    raise GpuError(f"{device.info.name} has no memory type for it")
