"""Streams between ports: a sender, one or more receivers, and a few words of buffering in front of each of these.

NOTES: data moves in pieces as large as both ends can take, so a whole BD is usually one copy from memory to memory.
What the receivers have not asked for yet waits in their queues up to the depth; beyond it the sender waits
(back-pressure). A broadcast moves only what every receiver can take.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kernelrt.npu.design import Port
from kernelrt.npu.sim.cycles import stream_cycles
from kernelrt.npu.sim.pattern import Bytes
from kernelrt.npu.sim.scheduler import Actor, Scheduler, Wait

DEPTH = 32
"""Bytes that a stream holds beyond what its receiver has asked for: 8 words, as mlir-aie's docs/DeadlockModel.md
measured (on npu2; the same for every length of path)."""


class Receiver(Protocol):
    """What stands at the end of a stream. `need`: bytes that it takes at once. `clock`: its modelled time."""

    need: int
    clock: int

    @property
    def actor(self) -> Actor | None:
        """Who asks for the bytes."""
        ...

    def take(self, piece: Bytes, time: int) -> None:
        """Takes a piece of at most `need` bytes, which came at `time`; wakes the actor when that was all."""
        ...


class Sink:
    """The end of streams at a port. Several senders of packets may share it: `owner` is the one in the middle of one.
    `receiver` is None where nothing of the design takes what comes."""

    __slots__ = (
        "_blocked",
        "_queue",
        "_scheduler",
        "depth",
        "drained",
        "owner",
        "port",
        "queued",
        "receiver",
        "senders",
    )

    def __init__(self, port: Port, receiver: Receiver | None, depth: int, scheduler: Scheduler) -> None:
        self.port = port
        self.receiver = receiver
        self.depth = depth
        self.queued = 0
        self.drained = 0
        self.owner: Actor | None = None
        self.senders: list[Actor] = []
        self._blocked: list[Actor] = []
        self._queue: deque[tuple[Bytes, int]] = deque()
        self._scheduler = scheduler

    @property
    def room(self) -> int:
        """Bytes that can come now."""
        return self.depth - self.queued + (0 if self.receiver is None else self.receiver.need)

    def put(self, piece: Bytes, time: int) -> None:
        """A piece of at most `room` bytes, whose last word comes at `time`."""
        receiver = self.receiver
        if receiver is not None and receiver.need and not self.queued:
            count = min(receiver.need, len(piece))
            receiver.take(piece[:count], time)
            if count == len(piece):
                return
            piece = piece[count:]
        self._queue.append((np.array(piece), time))  # the sender may write over its memory before it is taken
        self.queued += len(piece)

    def drain(self) -> None:
        """Hands what waits to the receiver, as far as it needs it, and lets senders go on that wait for room."""
        receiver = self.receiver
        assert receiver is not None
        queue = self._queue
        while queue and receiver.need:
            piece, time = queue[0]
            count = min(receiver.need, len(piece))
            if count == len(piece):
                queue.popleft()
            else:
                queue[0] = (piece[count:], time)
            self.queued -= count
            receiver.take(piece[:count], max(time, receiver.clock + stream_cycles(count)))
        self.drained = receiver.clock
        self.open()

    def block(self, sender: Actor) -> None:
        """`sender` waits for room, or for the end of another's packet."""
        if sender not in self._blocked:
            self._blocked.append(sender)

    def open(self) -> None:
        """Something changed for those who wait."""
        if self._blocked:
            blocked, self._blocked = self._blocked, []
            for sender in blocked:
                self._scheduler.wake(sender, self.drained)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a stream goes, or the packets of one id. `headers`: for each sink, whether it gets the packet's header."""

    sinks: tuple[Sink, ...]
    headers: tuple[bool, ...]

    def claim(self, sender: Actor) -> bool:
        """Takes the sinks for a packet; False where another's packet is under way, for whose end `sender` waits."""
        for sink in self.sinks:
            if sink.owner is not None and sink.owner is not sender:
                sink.block(sender)
                sender.waiting = Wait("room", sink, 0, None)
                return False
        for sink in self.sinks:
            sink.owner = sender
        return True

    def leave(self) -> None:
        """The packet's last word is sent."""
        for sink in self.sinks:
            sink.owner = None
            sink.open()

    def push(self, sender: Actor, data: Bytes, at: int, only: Sequence[bool] | None = None) -> int:
        """Sends what it can of data[at:], to all sinks or to those that `only` says. The count; 0 leaves `sender`
        waiting for room."""
        sinks = self.sinks if only is None else [sink for sink, yes in zip(self.sinks, only, strict=True) if yes]
        count = len(data) - at
        for sink in sinks:
            room = sink.room
            if room < count:
                count = room
        if count <= 0:
            for sink in sinks:
                if sink.room <= 0:
                    sink.block(sender)
                    sender.waiting = Wait("room", sink, len(data) - at, None)
            return 0
        start = sender.clock
        for sink in sinks:
            receiver = sink.receiver
            if receiver is not None and receiver.need and receiver.clock > start:
                start = receiver.clock
        sender.until(start)
        sender.clock = end = start + stream_cycles(count)
        piece = data[at : at + count]
        for sink in sinks:
            sink.put(piece, end)
        return count


@dataclass(frozen=True, slots=True)
class Routes:
    """Every stream that leaves one port: the circuit, and the packets by their id."""

    circuit: Route | None
    packets: Mapping[int, Route]

    def sinks(self) -> list[Sink]:
        """All that can be reached."""
        routes = [*([self.circuit] if self.circuit else []), *self.packets.values()]
        return [sink for route in routes for sink in route.sinks]


class StreamIn:
    """A core's stream port: collects the bytes of one read. `actor`: the core, once that is there."""

    __slots__ = ("_data", "_scheduler", "actor", "clock", "need", "sink")

    def __init__(self, scheduler: Scheduler) -> None:
        self.need = 0
        self.clock = 0
        self.sink: Sink | None = None
        self.actor: Actor | None = None
        self._scheduler = scheduler
        self._data = bytearray()

    def ask(self, count: int, time: int) -> None:
        self.clock = max(self.clock, time)
        self.need = count
        self._data.clear()

    def taken(self) -> bytes:
        return bytes(self._data)

    def take(self, piece: Bytes, time: int) -> None:
        self._data += piece.tobytes()
        self.need -= len(piece)
        self.clock = max(self.clock, time)
        if self.need == 0 and self.actor is not None:
            self._scheduler.wake(self.actor, self.clock)
