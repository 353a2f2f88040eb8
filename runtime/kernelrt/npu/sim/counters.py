"""What each tile did, in numbers that only grow."""

from collections.abc import Iterable
from dataclasses import dataclass

from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.sim.core import CoreActor
from kernelrt.npu.sim.dma import Channel


@dataclass(frozen=True, slots=True)
class CoreCount:
    """`macs`: by dtype of the factors, sorted. `cycles`: modelled, of computing. `stalls`: modelled, of waiting."""

    tile: Tile
    macs: tuple[tuple[str, int], ...]
    vector_ops: int
    scalar_ops: int
    cycles: int
    stalls: int

    def less(self, before: "CoreCount") -> "CoreCount":
        old = dict(before.macs)
        return CoreCount(
            self.tile,
            tuple((dtype, count - old.get(dtype, 0)) for dtype, count in self.macs),
            self.vector_ops - before.vector_ops,
            self.scalar_ops - before.scalar_ops,
            self.cycles - before.cycles,
            self.stalls - before.stalls,
        )


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """`moved`: bytes. `stalls`: modelled cycles in which it waited for a lock or the other end."""

    tile: Tile
    direction: Direction
    index: int
    moved: int
    stalls: int

    def less(self, before: "ChannelCount") -> "ChannelCount":
        moved, stalls = self.moved - before.moved, self.stalls - before.stalls
        return ChannelCount(self.tile, self.direction, self.index, moved, stalls)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of all cores and channels."""

    cores: tuple[CoreCount, ...]
    channels: tuple[ChannelCount, ...]

    @staticmethod
    def of(cores: Iterable[CoreActor], channels: Iterable[Channel]) -> "Counts":
        moved = [ChannelCount(c.tile, c.direction, c.index, c.moved, c.stalls) for c in channels]
        return Counts(
            tuple(sorted((_core(core) for core in cores), key=lambda c: c.tile)),
            tuple(sorted(moved, key=lambda c: (c.tile, c.direction, c.index))),
        )

    def since(self, before: "Counts") -> "Counts":
        """What was added; channels that are new count from zero."""
        cores = {count.tile: count for count in before.cores}
        channels = {(c.tile, c.direction, c.index): c for c in before.channels}
        return Counts(
            tuple(count.less(cores[count.tile]) for count in self.cores),
            tuple(
                count.less(channels[key]) if (key := (count.tile, count.direction, count.index)) in channels else count
                for count in self.channels
            ),
        )


def _core(core: CoreActor) -> CoreCount:
    macs: dict[str, int] = {}
    vector = scalar = 0
    counters = core.program.counters.tolist()
    for block in core.program.costs:
        runs, cost = counters[block.counter] * block.factor, block.cost
        for dtype, count in cost.macs.items():
            macs[dtype] = macs.get(dtype, 0) + runs * count
        vector += runs * cost.vector_ops
        scalar += runs * (cost.scalar_ops + cost.float_ops)
    return CoreCount(core.core.tile, tuple(sorted(macs.items())), vector, scalar, core.computed, core.stalls)
