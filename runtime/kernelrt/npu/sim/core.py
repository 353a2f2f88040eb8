"""A core: its program on a stack of its own, left whenever it has to wait."""

from collections.abc import Callable, Mapping
from ctypes import memmove, string_at
from dataclasses import dataclass

import numpy as np

from kernelrt.npu import hardware
from kernelrt.npu.design import Core
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.jit.core import Shadow, UnwrittenError
from kernelrt.npu.jit.site import CallSite
from kernelrt.npu.place import Place
from kernelrt.npu.sim.cascade import CascadeLink
from kernelrt.npu.sim.cycles import Meter, stream_cycles
from kernelrt.npu.sim.fifo import FifoPort
from kernelrt.npu.sim.locks import SimLock
from kernelrt.npu.sim.memory import Memory
from kernelrt.npu.sim.program import Program
from kernelrt.npu.sim.scheduler import Actor, Scheduler, Wait
from kernelrt.npu.sim.stacks import Stack, leave, stack
from kernelrt.npu.sim.streams import Route, StreamIn

SPIN_CYCLES = 64
"""Modelled cycles of one look of a core that polls its memory."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a core can reach. `fifos` by name and port, `inputs` and `outputs` by the channel of its stream ports.
    `shadow`: what was written so far, where the program watches that."""

    locks: Mapping[str, SimLock]
    memories: Mapping[str, Memory]
    fifos: Mapping[tuple[str, str], FifoPort]
    cascade_in: CascadeLink | None
    cascade_out: CascadeLink | None
    inputs: Mapping[int, StreamIn]
    outputs: Mapping[int, Route]
    shadow: Shadow | None


class CoreActor(Actor):
    """Runs a Program on a greenlet, which belongs to the thread that steps it first.

    NOTES: what the program raises comes out of `step`, for a greenlet's exceptions go to its parent. A core that is
    left blocked gets GreenletExit when it is collected, which ends its native frames as any other exception does.
    """

    __slots__ = (
        "_around",
        "_file",
        "_greenlet",
        "_handlers",
        "_meter",
        "_pointers",
        "_scheduler",
        "_site",
        "_unmarked",
        "computed",
        "core",
        "program",
    )

    def __init__(self, core: Core, program: Program, around: Surroundings, scheduler: Scheduler, file: str) -> None:
        super().__init__(f"core {hardware.name(core.tile).removeprefix('compute tile ')}")
        self.core = core
        self.program = program
        self.computed = 0
        self._scheduler = scheduler
        self._meter = Meter(program.counters, program.costs)
        self._greenlet: Stack | None = None
        used = [around.memories[name] for name in program.buffers]
        self._pointers = tuple(memory.pointer for memory in used)
        watched = around.shadow is not None
        self._unmarked = [memory for memory in used if memory.valid is not None and not watched]
        self._around = around
        self._file = file
        self._site: int | None = None
        for port in around.inputs.values():
            port.actor = self
        self._handlers = [self._handler(site, around, file) for site in program.calls]

    def step(self) -> None:
        if self.done:
            return
        if self._greenlet is None:
            self._greenlet = stack(self._main)
        self._greenlet.switch()

    def _main(self) -> None:
        try:
            self.program.run(self._pointers, self._call, self._around.shadow)
        except UnwrittenError as e:
            raise SimulationError(
                f"{self._last}: {self.name} reads {self._named(e)}, which nothing wrote before"
            ) from e
        self._compute()
        self.done = True

    def _call(self, site: int, argument: int) -> int:
        self._compute()
        self._site = site
        return self._handlers[site](argument)

    @property
    def _last(self) -> str:
        """Where the program was when it called last."""
        where = self.core.where if self._site is None else self.program.calls[self._site].where
        return f"{where.within(self._file)}: after this"

    def _named(self, read: UnwrittenError) -> str:
        for memory in self._around.memories.values():
            at = read.address - memory.pointer
            if 0 <= at < len(memory.data):
                return f"bytes {at} to {at + read.size} of {memory.label}"
        return f"{read.size} bytes of memory outside of its buffers"

    def _compute(self) -> None:
        cycles = self._meter.since()
        self.computed += cycles
        self.clock += cycles

    def _pause(self) -> None:
        own = self._greenlet
        assert own is not None
        leave(own)

    def _handler(self, site: CallSite, around: Surroundings, file: str) -> Callable[[int], int]:
        """What a call at `site` does: a closure, so that each call costs no look-up."""
        where, place = site.where, site.where.within(file)
        pause = self._pause
        match site.kind:
            case "lock_acquire_ge" | "lock_acquire_eq":
                return self._lock_acquire(around.locks[site.name], site.kind == "lock_acquire_eq", where)
            case "lock_release":
                return self._lock_release(around.locks[site.name], place)
            case "fifo_acquire" | "fifo_access" | "fifo_release":
                port = around.fifos.get((site.name, site.port))
                if port is None:
                    raise SimulationError(f"{place}: {self.name} is not at the {site.port} end of fifo {site.name}")
                if site.kind == "fifo_access":
                    return lambda subview: port.access(self, subview, site.value, place)
                if site.kind == "fifo_release":
                    return lambda count: port.release(self, count, place) or 0

                def acquire(count: int) -> int:
                    while not port.acquire(self, count, where, place):
                        pause()
                    return port.first

                return acquire
            case "cascade_put" | "cascade_get":
                link = around.cascade_out if site.kind == "cascade_put" else around.cascade_in
                if link is None:
                    raise SimulationError(f"{place}: {self.name} has no aie.cascade_flow for this {site.kind}")
                return self._cascade(link, site)
            case "stream_put" | "stream_get":
                return self._stream(site, around, place)
            case "event":
                return lambda _: 0
            case "spin":
                return lambda _: self._spin(where)

    def _lock_acquire(self, lock: SimLock, exact: bool, where: Place) -> Callable[[int], int]:
        pause = self._pause

        def acquire(value: int) -> int:
            while not lock.acquire(self, "eq" if exact else "ge", value, where):
                pause()
            return 0

        return acquire

    def _lock_release(self, lock: SimLock, place: str) -> Callable[[int], int]:
        def release(value: int) -> int:
            if self._unmarked:  # what it wrote is not seen: from here on all of its buffers count as written
                for memory in self._unmarked:
                    memory.wrote_all()
                self._unmarked.clear()
            lock.release(value, self.clock, f"{place}: {self.name}")
            return 0

        return release

    def _cascade(self, link: CascadeLink, site: CallSite) -> Callable[[int], int]:
        pause, size = self._pause, site.value

        def put(address: int) -> int:
            while not link.put(self, string_at(address, size)):
                pause()
            return 0

        def get(address: int) -> int:
            while (value := link.get(self)) is None:
                pause()
            memmove(address, value, size)
            return 0

        return put if site.kind == "cascade_put" else get

    def _stream(self, site: CallSite, around: Surroundings, place: str) -> Callable[[int], int]:
        pause, size, channel = self._pause, site.value, int(site.name or 0)

        def put(address: int) -> int:
            route = around.outputs.get(channel)
            if route is None:
                raise SimulationError(f"{place}: no flow leaves stream port {channel} of {self.name}")
            data = np.frombuffer(string_at(address, size), np.uint8)
            at = 0
            while at < size:
                count = route.push(self, data, at)
                at += count
                if not count:
                    pause()
            return 0

        def get(address: int) -> int:
            port = around.inputs.get(channel)
            if port is None or port.sink is None:
                raise SimulationError(f"{place}: no flow leads to stream port {channel} of {self.name}")
            port.ask(size, self.clock)
            port.sink.drain()
            while port.need:
                self.waiting = Wait("data", port.sink, port.need, site.where)
                pause()
            self.until(port.clock)
            self.clock += stream_cycles(size)
            memmove(address, port.taken(), size)
            return 0

        return put if site.kind == "stream_put" else get

    def _spin(self, where: Place) -> int:
        self.clock += SPIN_CYCLES
        self.waiting = Wait("spin", None, 0, where)
        self._scheduler.again(self)
        self._pause()
        return 0
