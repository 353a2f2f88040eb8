"""The memory of a device: its heaps, what is free in each, and its memory types."""

from dataclasses import dataclass

from kernelrt.gpu.api import Arena, CData, Vk

_BUDGET = "VK_EXT_memory_budget"


@dataclass(frozen=True, slots=True)
class Heap:
    """One heap. `nbytes` is its size; `free` what the driver says that this process may still allocate, or the size
    where the driver does not say."""

    nbytes: int
    free: int
    device_local: bool


@dataclass(frozen=True, slots=True)
class MemoryType:
    """One kind of memory. `visible`: mapped by the host, without flushes (coherent)."""

    heap: int
    device_local: bool
    visible: bool
    cached: bool


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """`types` in the driver's order, of which the first of equals is to be preferred; `max_block` is the most bytes of
    one allocation."""

    heaps: tuple[Heap, ...]
    types: tuple[MemoryType, ...]
    max_block: int


def query(vk: Vk, physical: CData, extensions: frozenset[str]) -> DeviceMemory:
    """Asks a physical device (Vulkan 1.1 or later)."""
    arena, lib = Arena(vk), vk.lib
    about = arena.new("VkPhysicalDeviceMemoryProperties2")
    budget = arena.new("VkPhysicalDeviceMemoryBudgetPropertiesEXT") if _BUDGET in extensions else None
    arena.chain(about, *(() if budget is None else (budget,)))
    lib.vkGetPhysicalDeviceMemoryProperties2(physical, about)
    limits = arena.new("VkPhysicalDeviceMaintenance3Properties")
    properties = arena.chain(arena.new("VkPhysicalDeviceProperties2"), limits)
    lib.vkGetPhysicalDeviceProperties2(physical, properties)
    memory = about.memoryProperties
    heaps: list[Heap] = []
    for index in range(memory.memoryHeapCount):
        heap = memory.memoryHeaps[index]
        size = free = int(heap.size)
        if budget is not None:
            free = min(size, max(0, int(budget.heapBudget[index]) - int(budget.heapUsage[index])))
        heaps.append(Heap(size, free, bool(heap.flags & lib.VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)))
    types: list[MemoryType] = []
    both = lib.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | lib.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
    for index in range(memory.memoryTypeCount):
        flags = int(memory.memoryTypes[index].propertyFlags)
        # Protected, lazily allocated or uncached device memory is of no use to a buffer of ours.
        odd = flags & ~(0x0F)
        types.append(
            MemoryType(
                heap=int(memory.memoryTypes[index].heapIndex),
                device_local=bool(flags & lib.VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) and not odd,
                visible=flags & both == both and not odd,
                cached=bool(flags & lib.VK_MEMORY_PROPERTY_HOST_CACHED_BIT) and not odd,
            )
        )
    return DeviceMemory(tuple(heaps), tuple(types), int(limits.maxMemoryAllocationSize))
