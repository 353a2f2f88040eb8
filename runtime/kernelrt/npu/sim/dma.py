"""DMA channels: each runs the tasks of its queue, BD after BD, between a memory and a stream."""

from abc import abstractmethod
from collections import deque

import numpy as np

from kernelrt.npu import hardware
from kernelrt.npu.design import Port
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.sim.bd import SimBd, Task
from kernelrt.npu.sim.cycles import stream_cycles
from kernelrt.npu.sim.packets import header
from kernelrt.npu.sim.pattern import Bytes
from kernelrt.npu.sim.scheduler import Actor, Scheduler, Wait
from kernelrt.npu.sim.streams import Route, Routes, Sink

_NOTHING = np.zeros(0, np.uint8)


class Channel(Actor):
    """What both directions share. `listener` is told when the queue has room again and when a token comes."""

    __slots__ = (
        "_at",
        "_left",
        "_scheduler",
        "bd",
        "direction",
        "index",
        "listener",
        "moved",
        "queue",
        "task",
        "tile",
        "tokens",
    )

    def __init__(self, tile: Tile, direction: Direction, index: int, scheduler: Scheduler) -> None:
        super().__init__(f"{hardware.name(tile)} {direction} {index}")
        self.tile = tile
        self.direction: Direction = direction
        self.index = index
        self.queue: deque[Task] = deque()
        self.task: Task | None = None
        self.bd: SimBd | None = None
        self.tokens: deque[int] = deque()
        self.listener: Actor | None = None
        self.moved = 0
        self._at = 0
        self._left = 0
        self._scheduler = scheduler

    def start(self, task: Task, time: int) -> None:
        """Puts a task into the queue, at a modelled time."""
        task.pending += 1
        self.queue.append(task)
        self.clock = max(self.clock, time) if self.task is None else self.clock
        self._scheduler.wake(self, time)

    def step(self) -> None:
        while (bd := self.bd or self._begin()) is not None and self._move(bd):
            self._finish(bd)

    @abstractmethod
    def _load(self, bd: SimBd) -> None:
        """Before the first word of a BD."""

    @abstractmethod
    def _move(self, bd: SimBd) -> bool:
        """Moves what it can of a BD; False where it has to wait for the rest."""

    def _begin(self) -> SimBd | None:
        """The next BD, its lock acquired; None while there is none to run."""
        task = self.task
        if task is None:
            if not self.queue:
                self.waiting = Wait("idle", None, 0, None)
                return None
            task = self.task = self.queue.popleft()
            self._at, self._left = 0, task.repeat
            self._tell()
        bd = task.bds[self._at]
        if bd.acquire is not None:
            lock, action, value = bd.acquire
            if not lock.acquire(self, action, value, bd.where):
                return None
        self.bd = bd
        self._load(bd)
        return bd

    def _finish(self, bd: SimBd) -> None:
        """The BD's last word has moved."""
        self.bd = None
        if bd.release is not None:
            lock, value = bd.release
            lock.release(value, self.clock, f"the BD of {self.name}")
        if bd.next is not None:
            self._at = bd.next
            return
        self._at = 0
        if self._left:
            self._left -= 1
            return
        task, self.task = self.task, None
        assert task is not None
        task.pending -= 1
        if task.token:
            self.tokens.append(self.clock)
            self._tell()

    def _tell(self) -> None:
        if self.listener is not None:
            self._scheduler.wake(self.listener, self.clock)


class ToStream(Channel):
    """A channel that reads memory. `routes`: where what it sends goes."""

    __slots__ = ("_claimed", "_data", "_prefix", "_route", "_sent", "routes")

    def __init__(self, tile: Tile, index: int, scheduler: Scheduler) -> None:
        super().__init__(tile, "MM2S", index, scheduler)
        self.routes = Routes(None, {})
        self._route = Route((), ())
        self._claimed = False
        self._prefix = self._data = _NOTHING
        self._sent = 0

    def _move(self, bd: SimBd) -> bool:
        route = self._route
        if bd.packet is not None and not self._claimed:
            if not route.claim(self):
                return False
            self._claimed = True
        while len(self._prefix):
            count = route.push(self, self._prefix, 0, route.headers)
            if not count:
                return False
            self._prefix = self._prefix[count:]
        data = self._data
        while self._sent < len(data):
            count = route.push(self, data, self._sent)
            if not count:
                return False
            self._sent += count
            self.moved += count
        if bd.packet is not None:
            route.leave()
        return True

    def _load(self, bd: SimBd) -> None:
        self._route = self._way(bd)
        for sink in self._route.sinks:
            if sink.receiver is None:
                port = sink.port
                raise SimulationError(
                    f"{bd.place}: {self.name} sends to {port.bundle} {port.channel} of {hardware.name(port.tile)}, "
                    "which is not simulated (control packets, PL)"
                )
        memory, pattern = bd.memory, bd.pattern
        if memory.valid is not None:
            hole = memory.never_written(pattern)
            if hole is not None:
                raise SimulationError(
                    f"{bd.place}: {self.name} reads bytes {hole[0]} to {hole[1]} of {memory.label}, "
                    "which nothing wrote before"
                )
        self._data = pattern.gather(memory.data)
        self._sent = 0
        self._claimed = False
        self._prefix = _NOTHING
        if bd.packet is not None and any(self._route.headers):
            self._prefix = header(bd.packet, 0, Port(self.tile, "DMA", self.index))

    def _way(self, bd: SimBd) -> Route:
        circuit = self.routes.circuit
        if bd.packet is None:
            if circuit is not None:
                return circuit
            ids = ", ".join(map(str, self.routes.packets))
            problem = f"flows of packets {ids} leave it, and the BD gives no packet id" if ids else "no flow leaves it"
        else:
            if bd.packet in self.routes.packets:
                return self.routes.packets[bd.packet]
            if circuit is not None:
                return Route(circuit.sinks, (True,) * len(circuit.sinks))  # the header travels as data
            problem = f"no flow of packets {bd.packet} leaves it"
        raise SimulationError(f"{bd.place}: {self.name} has a BD to send, and {problem}")


class ToMemory(Channel):
    """A channel that writes memory with what comes to its port."""

    __slots__ = ("_filled", "_staging", "need", "sink")

    def __init__(self, tile: Tile, index: int, depth: int, scheduler: Scheduler) -> None:
        super().__init__(tile, "S2MM", index, scheduler)
        self.need = 0
        self.sink = Sink(Port(tile, "DMA", index), self, depth, scheduler)
        self._filled = 0
        self._staging = _NOTHING

    @property
    def actor(self) -> Actor:
        """Itself (kernelrt.npu.sim.streams.Receiver)."""
        return self

    def _load(self, bd: SimBd) -> None:
        self.need = bd.pattern.size
        self._filled = 0
        self._staging = _NOTHING
        self.sink.drain()

    def _move(self, bd: SimBd) -> bool:
        if self.need:
            self.waiting = Wait("data", self.sink, self.need, bd.where)
            self.sink.open()
            return False
        if len(self._staging):
            bd.pattern.scatter(bd.memory.data, self._staging)
        bd.memory.wrote(bd.pattern)
        return True

    def take(self, piece: Bytes, time: int) -> None:
        bd = self.bd
        assert bd is not None
        count, at, pattern = len(piece), self._filled, bd.pattern
        if pattern.plain:
            start = pattern.start + at
            bd.memory.data[start : start + count] = piece
        elif at == 0 and count == pattern.size:
            pattern.scatter(bd.memory.data, piece)
        else:
            if at == 0:
                self._staging = np.empty(pattern.size, np.uint8)
            self._staging[at : at + count] = piece
        self._filled = at + count
        self.need -= count
        self.moved += count
        if time > self.clock:
            self.stalls += max(0, time - self.clock - stream_cycles(count))
            self.clock = time
        if self.need == 0:
            self._scheduler.wake(self, time)

    def flush(self) -> None:
        """Writes the part of a BD that has come so far, as the hardware would have."""
        if self.bd is not None and len(self._staging) and self.need:
            self.bd.pattern.scatter(self.bd.memory.data, self._staging[: self._filled])
