"""Where buffers go: every buffer of a run is given its memory before the first byte is allocated. Pure arithmetic.

A device's own heap is filled first, in the order of the items; what does not fit goes to memory of the host that the
device reads over its bus (on an APU: the GTT, which is the same DRAM).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.filesize import decimal

from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.heaps import DeviceMemory, MemoryType

# What a buffer is for. "device": kernels alone; "upload": small, the host writes and kernels read; "staging": the host
# writes or reads much of it, once; "readback": small, kernels write and the host reads.
Use = Literal["device", "upload", "staging", "readback"]

ALIGNMENT = 256  # of every buffer in its block: no known driver asks for more, and `memory.allocate` checks
BLOCK = 1 << 30  # bytes of one allocation, unless one buffer is larger
_KEPT_FREE = 32  # of a heap, the 32nd part is left to the driver: pipelines, command buffers, the desktop


class OutOfMemoryError(GpuError):
    """What a run needs does not fit into the device's memory; it says how much is needed and how much is there."""


@dataclass(frozen=True, slots=True)
class Item:
    """A buffer to be: `category` is what a person calls it (weights, KV cache, ...)."""

    name: str
    category: str
    nbytes: int
    use: Use = "device"


@dataclass(frozen=True, slots=True)
class Place:
    """An item's memory: its type, the block (a number within the placement) and its offset there in bytes."""

    item: Item
    memory_type: int
    block: int
    offset: int


@dataclass(frozen=True, slots=True)
class Placement:
    """`blocks` are the allocations: (memory type, bytes)."""

    places: tuple[Place, ...]
    blocks: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Open:
    """A block that still grows."""

    number: int
    used: int


_WISHES: dict[Use, tuple[Callable[[MemoryType], bool], ...]] = {
    "device": (
        lambda t: t.device_local and not t.visible,  # where only a window of it is visible, that is left for uploads
        lambda t: t.device_local,
        lambda t: t.visible and not t.cached,
        lambda t: t.visible,
    ),
    "upload": (lambda t: t.device_local and t.visible, lambda t: t.visible),
    "staging": (
        lambda t: t.visible and t.cached and not t.device_local,
        lambda t: t.visible and t.cached,
        lambda t: t.visible,
    ),
    "readback": (lambda t: t.visible and t.cached, lambda t: t.visible),
}


def usable(memory: DeviceMemory, heap: int) -> int:
    """Bytes of a heap that a run may take."""
    found = memory.heaps[heap]
    return max(0, found.free - found.nbytes // _KEPT_FREE)


def candidates(memory: DeviceMemory, use: Use) -> tuple[int, ...]:
    """The memory types for a use, the best first."""
    types = range(len(memory.types))
    ranked = [index for wish in _WISHES[use] for index in types if wish(memory.types[index])]
    return tuple(dict.fromkeys(ranked))


def place(items: Sequence[Item], memory: DeviceMemory, max_range: int, device: str) -> Placement:
    """Gives every item its memory, in the items' order.

    `max_range` is the most bytes that a kernel can bind (maxStorageBufferRange), `device` the name for messages.
    Raises OutOfMemoryError, with the numbers, where an item cannot be bound or the whole does not fit.
    """
    left = [usable(memory, heap) for heap in range(len(memory.heaps))]
    places: list[Place] = []
    sizes: list[tuple[int, int]] = []
    opened: dict[int, _Open] = {}
    for item in items:
        size = -(-item.nbytes // ALIGNMENT) * ALIGNMENT
        if item.nbytes > max_range:
            raise OutOfMemoryError(
                f"{item.name} takes {decimal(item.nbytes)}; {device} binds at most {decimal(max_range)} to a kernel"
            )
        for kind in candidates(memory, item.use):
            if size <= left[memory.types[kind].heap]:
                break
        else:
            raise _too_much(items, memory, device)
        left[memory.types[kind].heap] -= size
        most = max(min(BLOCK, memory.max_block), size)
        block = opened.get(kind)
        if block is None or block.used + size > most:
            block = opened[kind] = _Open(len(sizes), 0)
            sizes.append((kind, 0))
        places.append(Place(item, kind, block.number, block.used))
        block.used += size
        sizes[block.number] = (kind, block.used)
    return Placement(tuple(places), tuple(sizes))


def _too_much(items: Sequence[Item], memory: DeviceMemory, device: str) -> OutOfMemoryError:
    categories: dict[str, int] = {}
    for item in items:
        categories[item.category] = categories.get(item.category, 0) + item.nbytes
    needs = ", ".join(f"{name} {decimal(nbytes)}" for name, nbytes in categories.items())
    heaps = ", ".join(
        f"{decimal(usable(memory, i))} of {decimal(heap.nbytes)} of {'the device' if heap.device_local else 'the host'}"
        for i, heap in enumerate(memory.heaps)
    )
    whole = decimal(sum(categories.values()))
    return OutOfMemoryError(
        f"{device} has too little memory: {whole} are needed ({needs}), usable are {heaps};"
        " take a smaller --context or --batch, or a bundle of smaller weights"
    )
