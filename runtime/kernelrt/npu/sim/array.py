"""Everything of a design that is not the host: memories, locks, channels, streams and cores, connected."""

from collections.abc import Callable, Mapping
from typing import Literal

from kernelrt.npu.design import Core, Design, Flow, Port
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.sim.arena import Arena
from kernelrt.npu.sim.bd import SimBd, Task
from kernelrt.npu.sim.bds import BdTable
from kernelrt.npu.sim.cascade import CascadeLink
from kernelrt.npu.sim.core import CoreActor, Surroundings
from kernelrt.npu.sim.counters import Counts
from kernelrt.npu.sim.dma import Channel, ToMemory, ToStream
from kernelrt.npu.sim.fifo import FifoPort
from kernelrt.npu.sim.locks import SimLock
from kernelrt.npu.sim.lowering import Ends, lower
from kernelrt.npu.sim.memory import Memory
from kernelrt.npu.sim.program import Program
from kernelrt.npu.sim.scheduler import Actor, Scheduler
from kernelrt.npu.sim.streams import Route, Routes, Sink, StreamIn

_ALIGNMENT = 32  # bytes, of a buffer's address


class Array:
    """`memories` and `locks` by name. `numbered`: locks by tile and id, where the design gives one.
    `addressed`: each tile's memories with their addresses."""

    def __init__(
        self, design: Design, seed: int | None, poison: bool, depth: int, programs: Callable[[Core], Program]
    ) -> None:
        lowered, ends = lower(design)
        self.scheduler = Scheduler(seed)
        self._file = design.file
        self._depth = depth
        self.arena = Arena([b.type.nbytes for b in lowered.buffers])
        self.memories = {
            b.name: Memory.of(b, self.arena.data(n), self.arena.marks(n), poison) for n, b in enumerate(lowered.buffers)
        }
        self._watches = poison
        self.locks = {
            lock.name: SimLock(lock.name, lock.init, lock.where.within(self._file), self.scheduler)
            for lock in lowered.locks
        }
        self.numbered = {(lock.tile, lock.id): self.locks[lock.name] for lock in lowered.locks if lock.id is not None}
        self.addressed = _addressed(lowered, self.memories)
        self.channels: dict[tuple[Tile, Direction, int], Channel] = {}
        self._others: dict[Port, Sink] = {}
        self._cascades: dict[tuple[Tile, Tile], CascadeLink] = {}
        self.bds = BdTable((c.tile, c.direction, c.index, c.bds) for c in lowered.channels)
        routes = self._routes(lowered.flows)
        self._start(lowered)
        self.cores = [self._core(core, lowered, ends, routes, programs) for core in lowered.cores]
        for actor in self.actors:
            self.scheduler.wake(actor, 0)

    @property
    def actors(self) -> list[Actor]:
        return [*self.cores, *self.channels.values()]

    def counts(self) -> Counts:
        return Counts.of(self.cores, self.channels.values())

    def channel(self, tile: Tile, direction: Direction, index: int) -> Channel:
        """A channel of a tile's DMA, made when first asked for."""
        found = self.channels.get((tile, direction, index))
        if found is None:
            found = (
                ToStream(tile, index, self.scheduler)
                if direction == "MM2S"
                else ToMemory(tile, index, self._depth, self.scheduler)
            )
            self.channels[tile, direction, index] = found
        return found

    def _routes(self, flows: tuple[Flow, ...]) -> Mapping[Port, Routes]:
        """Where the streams of each port go; those of DMA channels are given to them."""
        circuits: dict[Port, list[Sink]] = {}
        packets: dict[Port, dict[int, list[tuple[Sink, bool]]]] = {}
        for flow in flows:
            sinks = [self._sink(port) for port in flow.targets]
            if flow.packet is None:
                circuits.setdefault(flow.source, []).extend(sinks)
            else:
                ids = packets.setdefault(flow.source, {})
                ids.setdefault(flow.packet, []).extend((sink, flow.keep_header) for sink in sinks)
        routes: dict[Port, Routes] = {}
        for port in {**circuits, **packets}:
            circuit = circuits.get(port)
            routes[port] = Routes(
                Route(tuple(circuit), (False,) * len(circuit)) if circuit else None,
                {
                    number: Route(tuple(sink for sink, _ in found), tuple(keep for _, keep in found))
                    for number, found in packets.get(port, {}).items()
                },
            )
            if port.bundle == "DMA":
                channel = self.channel(port.tile, "MM2S", port.channel)
                assert isinstance(channel, ToStream)
                channel.routes = routes[port]
                for sink in routes[port].sinks():
                    sink.senders.append(channel)
        return routes

    def _sink(self, port: Port) -> Sink:
        """The end of streams at a port."""
        if port.bundle == "DMA":
            channel = self.channel(port.tile, "S2MM", port.channel)
            assert isinstance(channel, ToMemory)
            return channel.sink
        if port not in self._others:
            receiver = StreamIn(self.scheduler) if port.bundle == "Core" else None
            sink = self._others[port] = Sink(port, receiver, self._depth, self.scheduler)
            if receiver is not None:
                receiver.sink = sink
        return self._others[port]

    def _start(self, lowered: Design) -> None:
        """What explicit DMAs and fifos run from the start."""
        for static in lowered.channels:
            channel = self.channel(static.tile, static.direction, static.index)
            bds: list[SimBd] = []
            for bd in static.bds:
                place = bd.where.within(self._file)
                bds.append(SimBd.of(bd, self.memories[bd.buffer], static.direction, self.locks, place))
                release = bds[-1].release
                if release is not None and channel not in release[0].releasers:
                    release[0].releasers.append(channel)
            channel.start(Task(bds, static.repeat, False, static.where.within(self._file)), 0)

    def _core(
        self,
        core: Core,
        lowered: Design,
        ends: Ends,
        routes: Mapping[Port, Routes],
        programs: Callable[[Core], Program],
    ) -> CoreActor:
        fifos = {
            (fifo, port): FifoPort(end, self.memories, self.locks, self._watches)
            for (tile, fifo, port), end in ends.items()
            if tile == core.tile
        }
        outputs: dict[int, Route] = {}
        for port, found in routes.items():
            if port.tile == core.tile and port.bundle == "Core" and found.circuit is not None:
                outputs[port.channel] = found.circuit
        inputs = {
            port.channel: sink.receiver
            for port, sink in self._others.items()
            if port.tile == core.tile and isinstance(sink.receiver, StreamIn)
        }
        around = Surroundings(
            self.locks,
            self.memories,
            fifos,
            self._cascade(core.tile, lowered, "in"),
            self._cascade(core.tile, lowered, "out"),
            inputs,
            outputs,
            self.arena.shadow if self._watches else None,
        )
        program = programs(core)
        actor = CoreActor(core, program, around, self.scheduler, self._file)
        for link, end in ((around.cascade_in, "target"), (around.cascade_out, "source")):
            if link is not None:
                setattr(link, end, actor)
        for route in outputs.values():
            for sink in route.sinks:
                sink.senders.append(actor)
        for site in program.calls:
            released = site.name if site.kind == "lock_release" else None
            if site.kind == "fifo_release":
                released = ends[core.tile, site.name, site.port].release
            if released is not None and actor not in self.locks[released].releasers:
                self.locks[released].releasers.append(actor)
        return actor

    def _cascade(self, tile: Tile, lowered: Design, way: Literal["in", "out"]) -> CascadeLink | None:
        """The link that a cascade flow makes at a tile; both ends get the same."""
        for flow in lowered.cascades:
            if tile == (flow.target if way == "in" else flow.source):
                return self._cascades.setdefault((flow.source, flow.target), CascadeLink(self.scheduler))
        return None


def _addressed(lowered: Design, memories: Mapping[str, Memory]) -> Mapping[Tile, tuple[tuple[int, Memory], ...]]:
    """Where each tile's buffers lie: as the design says, else behind the stack from the largest to the smallest, as
    mlir-aie's basic-sequential scheme puts them."""
    found: dict[Tile, tuple[tuple[int, Memory], ...]] = {}
    ends = {core.tile: core.stack_bytes for core in lowered.cores}
    for buffer in sorted(lowered.buffers, key=lambda b: -b.type.nbytes):
        address = ends.get(buffer.tile, 0) if buffer.address is None else buffer.address
        found[buffer.tile] = (*found.get(buffer.tile, ()), (address, memories[buffer.name]))
        if buffer.address is None:
            ends[buffer.tile] = address + -(-buffer.type.nbytes // _ALIGNMENT) * _ALIGNMENT
    return found
