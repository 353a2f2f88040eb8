"""Memory of the host that a device uses where it lies."""

import mmap

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.features import IMPORT_HOST
from kernelrt.gpu.resource import Resource


class Imported(Resource):
    """Memory of the host that the device uses where it lies: `nbytes` at `address`, whole pages, kept by the caller for
    as long as this is open. Raises GpuError where the device cannot, or where they are no whole pages."""

    def __init__(self, device: Device, address: int, nbytes: int) -> None:
        vk, arena, lib = device.vk, Arena(device.vk), device.vk.lib
        if IMPORT_HOST not in device.info.extensions:
            raise GpuError(f"{device.info.name} cannot use the host's memory where it lies ({IMPORT_HOST} is missing)")
        if nbytes <= 0 or address % mmap.PAGESIZE or nbytes % mmap.PAGESIZE:
            raise GpuError(f"memory at {address:#x} of {nbytes} bytes cannot be imported: it is no whole pages")
        kind = lib.VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT
        pointer = vk.ffi.cast("void*", address)
        found = arena.new("VkMemoryHostPointerPropertiesEXT")
        ask = vk.device_function(device.handle, "vkGetMemoryHostPointerPropertiesEXT")
        vk.check("vkGetMemoryHostPointerPropertiesEXT", ask(device.handle, kind, pointer, found))
        allowed = [i for i in range(len(device.memory.types)) if int(found.memoryTypeBits) >> i & 1]
        if not allowed:
            raise GpuError(f"{device.info.name} has no memory type for memory of the host at {address:#x}")
        imported = arena.new("VkImportMemoryHostPointerInfoEXT", handleType=kind, pHostPointer=pointer)
        info = arena.new("VkMemoryAllocateInfo", pNext=imported, allocationSize=nbytes, memoryTypeIndex=allowed[0])
        self.nbytes = nbytes
        self.memory_type = allowed[0]
        self.handle = vk.create("vkAllocateMemory", "VkDeviceMemory", device.handle, info, vk.null)
        self.mapped: CData | None = vk.ffi.cast("char*", address)
        super().__init__(device)

    def _destroy(self) -> None:
        self.mapped = None
        self.device.vk.lib.vkFreeMemory(self.device.handle, self.handle, self.device.vk.null)
