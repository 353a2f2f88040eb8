"""DMA channels for the ends of object fifos: the first free ones, in the order of the fifos, as mlir-aie gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernelrt.npu import hardware
from kernelrt.npu.design import Channel
from kernelrt.npu.errors import DesignError
from kernelrt.npu.fifo import Fifo, FifoEnd
from kernelrt.npu.hardware import Direction, Tile

Key = tuple[Tile, Direction, int]


@dataclass(frozen=True, slots=True)
class Pinned:
    """Channels that a fifo asks for by number (prod_dma_channel, cons_dma_channels)."""

    producer: int | None
    consumers: tuple[int, ...]


def assign(
    file: str, fifos: Sequence[Fifo], channels: Sequence[Channel], pinned: Mapping[str, Pinned]
) -> tuple[Fifo, ...]:
    """The fifos with the channels of their ends. Raises DesignError where a tile has none left."""
    taken: dict[Key, str] = {
        (channel.tile, channel.direction, channel.index): f"line {channel.where.line}" for channel in channels
    }
    found: list[Fifo] = []
    for fifo in fifos:
        if fifo.shares_memory:
            found.append(fifo)
            continue
        wish = pinned.get(fifo.name, Pinned(None, ()))
        producer = _end(file, fifo, fifo.producer, "MM2S", wish.producer, taken)
        consumers = tuple(
            _end(file, fifo, end, "S2MM", wish.consumers[number] if number < len(wish.consumers) else None, taken)
            for number, end in enumerate(fifo.consumers)
        )
        found.append(replace(fifo, producer=producer, consumers=consumers))
    return tuple(found)


def _end(file: str, fifo: Fifo, end: FifoEnd, direction: Direction, wish: int | None, taken: dict[Key, str]) -> FifoEnd:
    count = hardware.limits(end.tile).channels
    if wish is not None:
        if not 0 <= wish < count or (end.tile, direction, wish) in taken:
            holder = taken.get((end.tile, direction, wish), f"the channels are 0 to {count - 1}")
            raise DesignError.at(
                file,
                fifo.where,
                f"@{fifo.name} asks for {direction} channel {wish} of {hardware.name(end.tile)}: {holder}",
            )
        free: int | None = wish
    else:
        free = next((index for index in range(count) if (end.tile, direction, index) not in taken), None)
    if free is None:
        users = ", ".join(f"{direction} {index}: {taken[(end.tile, direction, index)]}" for index in range(count))
        way = "output" if direction == "MM2S" else "input"
        raise DesignError.at(
            file,
            fifo.where,
            f"@{fifo.name} needs one more {way} DMA channel of {hardware.name(end.tile)}, which has {count} ({users}): "
            "join fifos in a memory tile, or use another tile",
        )
    taken[(end.tile, direction, free)] = f"@{fifo.name}"
    return replace(end, channel=free)
