"""Objectfifos as what the hardware has: buffers, pairs of locks, DMA chains and flows.

NOTES: follows what mlir-aie's objectFifo-stateful-transform makes of them for AIE2, so that a design stalls here where
it would stall there: one lock counts the free objects and one the full ones; ends in tiles that share memory share the
objects; a link's tile has one pool for both fifos, of the larger objects; joined and distributed parts have locks of
their own; an object that is sent R times is R units of each lock. Which channel each end has is the design's word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernelrt.npu.bd import Bd, LockUse
from kernelrt.npu.design import Buffer, Channel, Design, Flow, Lock, Port
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.fifo import Fifo, FifoEnd, Link
from kernelrt.npu.hardware import Direction, Tile, kind
from kernelrt.npu.memref import Memref
from kernelrt.npu.sim.pools import CoreEnd, Part, Pool

_Cuts = tuple[tuple[int, int], ...]
Ends = Mapping[tuple[Tile, str, str], CoreEnd]


@dataclass(slots=True)
class _Builder:
    """`linked`: the pool of a link, by the ends of fifos that it joins: name, direction of the DMA, tile."""

    design: Design
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    locks: list[Lock] = field(default_factory=list[Lock])
    channels: list[Channel] = field(default_factory=list[Channel])
    flows: list[Flow] = field(default_factory=list[Flow])
    ends: dict[tuple[Tile, str, str], CoreEnd] = field(default_factory=dict[tuple[Tile, str, str], CoreEnd])
    linked: dict[tuple[str, Direction, Tile], Pool] = field(default_factory=dict[tuple[str, Direction, Tile], Pool])

    def pool(
        self, label: str, fifo: Fifo, end: FifoEnd, units: int = 1, cuts: _Cuts = (), initial: tuple[bytes, ...] = ()
    ) -> Pool:
        """Objects and locks for an end; `cuts` are the (offset, length) of parts."""
        tile, depth = end.allocate or end.tile, end.depth
        names = tuple(f"{label}[{i}]" for i in range(depth))
        for i, name in enumerate(names):
            given = initial[i] if i < len(initial) else None
            self.buffers.append(Buffer(name, tile, fifo.type, given, None, fifo.where))
        parts: list[Part] = []
        for i, (offset, length) in enumerate(cuts or ((0, fifo.type.elements),)):
            suffix = f".{i}" if len(cuts) > 1 else ""
            free, full = f"{label}.free{suffix}", f"{label}.full{suffix}"
            if fifo.synchronized:
                self.locks.append(Lock(free, tile, None, (depth - len(initial)) * units, fifo.where))
                self.locks.append(Lock(full, tile, None, len(initial) * units, fifo.where))
                parts.append(Part(offset, length, free, full))
            else:
                parts.append(Part(offset, length, None, None))
        return Pool(fifo.type, names, tuple(parts), units)

    def end(self, fifo: Fifo, end: FifoEnd, port: Literal["Produce", "Consume"], pool: Pool) -> None:
        self.ends[end.tile, fifo.name, port] = CoreEnd(fifo, port, pool)

    def chain(self, fifo: Fifo, end: FifoEnd, direction: Direction, pool: Pool) -> Port:
        """A channel whose BDs go round a pool's objects without end; none at the shim, where the host starts them."""
        if end.channel is None:
            raise SimulationError(f"fifo {fifo.name} goes through DMAs, and its end in {end.tile} has no channel")
        if kind(end.tile) != "shim":
            parts, length = _moved(self.design, fifo, end, pool, direction)
            sends = direction == "MM2S"
            uses = [(n, p) for n in pool.objects for _ in range(pool.units if sends else 1) for p in parts]
            value = 1 if sends else pool.units
            bds = tuple(
                Bd(
                    name,
                    part.offset,
                    part.length if length is None else length,
                    end.dims,
                    end.pads,
                    _use(part.full if sends else part.free, "ge", value),
                    _use(part.free if sends else part.full, "release", value),
                    None,
                    None,
                    (i + 1) % len(uses),
                    fifo.where,
                )
                for i, (name, part) in enumerate(uses)
            )
            self.channels.append(Channel(end.tile, direction, end.channel, bds, 0, fifo.where))
        return Port(end.tile, "DMA", end.channel)


def lower(design: Design) -> tuple[Design, Ends]:
    """The design without objectfifos, and what each core's (tile, fifo, port) has become."""
    build = _Builder(design)
    for link in design.links:
        _link(build, link)
    for fifo in design.fifos:
        if fifo.shares_memory:
            _shared(build, fifo)
        else:
            _streamed(build, fifo)
    lowered = Design(
        design.file,
        design.device,
        design.tiles,
        (*design.buffers, *build.buffers),
        (*design.locks, *build.locks),
        (*design.channels, *build.channels),
        (*design.flows, *build.flows),
        design.cascades,
        (),
        (),
        design.cores,
        design.sequences,
    )
    return lowered, build.ends


def _shared(build: _Builder, fifo: Fifo) -> None:
    producer, consumer = fifo.producer, fifo.consumers[0]
    pool = next(
        (build.linked[key] for end, way in fifo.ends if (key := (fifo.name, way, end.tile)) in build.linked), None
    )
    if pool is None:
        end = FifoEnd(producer.tile, producer.depth, (), (), fifo.home)
        pool = build.pool(fifo.name, fifo, end, 1, (), fifo.initial)
    build.end(fifo, producer, "Produce", pool)
    build.end(fifo, consumer, "Consume", pool)


def _streamed(build: _Builder, fifo: Fifo) -> None:
    producer, shim = fifo.producer, kind(fifo.producer.tile) == "shim"
    pool = build.linked.get((fifo.name, "MM2S", producer.tile))
    if pool is None:
        pool = _NONE if shim else build.pool(fifo.name, fifo, producer, fifo.repeat, (), fifo.initial)
        build.end(fifo, producer, "Produce", pool)
    source = build.chain(fifo, producer, "MM2S", pool)
    targets: list[Port] = []
    for i, end in enumerate(fifo.consumers):
        pool = build.linked.get((fifo.name, "S2MM", end.tile))
        if pool is None:
            label = f"{fifo.name}.{i}" if len(fifo.consumers) > 1 else f"{fifo.name}.consumer"
            pool = _NONE if kind(end.tile) == "shim" else build.pool(label, fifo, end)
            build.end(fifo, end, "Consume", pool)
        targets.append(build.chain(fifo, end, "S2MM", pool))
    build.flows.append(Flow(source, tuple(targets), None, False, fifo.where))


_NONE = Pool(Memref("i8", ()), (), (Part(0, 0, None, None),), 1)


def _use(lock: str | None, action: Literal["ge", "release"], value: int) -> LockUse | None:
    return None if lock is None else LockUse(lock, action, value)


def _moved(
    design: Design, fifo: Fifo, end: FifoEnd, pool: Pool, direction: Direction
) -> tuple[tuple[Part, ...], int | None]:
    """Which parts of a pool's objects a fifo moves, and a length that overrides theirs: the larger of linked types."""
    elements = fifo.type.elements
    if len(pool.parts) == 1:
        return pool.parts, max(elements, pool.type.elements)
    for link in design.links:
        names = link.targets if len(link.targets) > 1 else link.sources
        if fifo.name in names and (direction == "MM2S") == (fifo.name in link.targets):
            return (pool.parts[names.index(fifo.name)],), elements if end.pads else None
    return pool.parts, None


def _link(build: _Builder, link: Link) -> None:
    """The pool of a link: of the larger objects, unless the target's have initial values."""
    fifos = {fifo.name: fifo for fifo in build.design.fifos}
    sources, targets = [fifos[name] for name in link.sources], [fifos[name] for name in link.targets]
    source, target, tile = sources[0], targets[0], link.tile(fifos)
    entry = next(end for end in source.consumers if end.tile == tile)
    units = target.repeat
    if len(targets) > 1:
        cuts = _cuts(link.target_offsets, source.type.elements, targets)
        pool = build.pool(f"{source.name}.link", source, entry, units, cuts)
    elif len(sources) > 1:
        cuts = _cuts(link.source_offsets, target.type.elements, sources)
        pool = build.pool(f"{target.name}.link", target, target.producer, units, cuts)
    else:
        larger = source.type.elements >= target.type.elements or bool(target.producer.pads)
        owner, end = (source, entry) if larger and not target.initial else (target, target.producer)
        pool = build.pool(f"{owner.name}.link", owner, end, units, (), target.initial)
    build.linked.update({(fifo.name, "S2MM", tile): pool for fifo in sources})
    build.linked.update({(fifo.name, "MM2S", tile): pool for fifo in targets})


def _cuts(offsets: tuple[int, ...], whole: int, fifos: list[Fifo]) -> _Cuts:
    """(offset, length) of each part: up to the next one; without offsets, what each fifo's objects hold."""
    if not offsets:
        lengths = [fifo.type.elements for fifo in fifos]
        return tuple((sum(lengths[:i]), length) for i, length in enumerate(lengths))
    ends = sorted({*offsets, whole})
    return tuple((offset, ends[ends.index(offset) + 1] - offset) for offset in offsets)
