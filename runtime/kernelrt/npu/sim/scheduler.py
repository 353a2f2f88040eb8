"""Who goes on next: actors that run until they block, and a queue of those that can go on."""

import heapq
import random
from abc import ABC, abstractmethod
from time import monotonic
from typing import Any, Literal, NamedTuple

from kernelrt.npu.errors import SimulationError
from kernelrt.npu.place import Place

_LOOK_AT_CLOCK = 1024  # steps between two looks at the wall clock
_LOOKS = 128  # looks at their memory that cores which poll get while nothing else can go on


class Wait(NamedTuple):
    """What an actor is blocked on. `on` is the lock, sink, channel or cascade; `need` the lock's value or bytes."""

    kind: Literal["idle", "lock", "fifo", "room", "data", "token", "queue", "cascade", "spin"]
    on: Any
    need: int
    where: Place | None
    name: str = ""


class Actor(ABC):
    """Something that runs by itself: a core, a DMA channel, the host. `clock`: its modelled time in cycles. `stalls`:
    cycles it waited for others. `done`: its program ended."""

    __slots__ = ("clock", "done", "name", "queued", "stalls", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock: int = 0
        self.stalls = 0
        self.queued = False
        self.done = False
        self.waiting: Wait | None = None

    @abstractmethod
    def step(self) -> None:
        """Goes on until it blocks, and then says in `waiting` on what."""

    def until(self, time: int) -> None:
        """Waits in modelled time."""
        if time > self.clock:
            self.stalls += time - self.clock
            self.clock = time


class Scheduler:
    """Runs actors in the order of their modelled clocks; with a seed in a random order, which must change no result."""

    def __init__(self, seed: int | None) -> None:
        self._ready: list[tuple[float, int, Actor]] = []
        self._count = 0
        self._random = None if seed is None else random.Random(seed)
        self._spinning: list[Actor] = []
        self._looks = 0

    def wake(self, actor: Actor, time: int) -> None:
        """`actor` may be able to go on from `time` on."""
        if actor.queued:
            return
        actor.queued = True
        self._count += 1
        key = max(actor.clock, time) if self._random is None else self._random.random()
        heapq.heappush(self._ready, (key, self._count, actor))

    def again(self, actor: Actor) -> None:
        """`actor` polls its memory: it looks again when the others have gone on."""
        if actor not in self._spinning:
            self._spinning.append(actor)

    @property
    def idle(self) -> bool:
        """Whether nobody can go on. Actors that poll are blocked when many looks of all of them changed nothing."""
        if self._ready:
            return False
        if not self._spinning or self._looks >= _LOOKS:
            return True
        self._looks += 1
        spinning, self._spinning = self._spinning, []
        for actor in spinning:
            self.wake(actor, actor.clock)
        return False

    def run(self, until: Actor | None, steps: int | None, deadline: float | None) -> None:
        """Steps actors until none is ready, `until` is done, or `steps` were made.

        Raises:
            SimulationError: the deadline of time.monotonic passed.
        """
        ready, pop = self._ready, heapq.heappop
        made = 0
        while not self.idle and (steps is None or made < steps):
            actor = pop(ready)[2]
            actor.queued = False
            actor.waiting = None
            actor.step()
            made += 1
            if actor.waiting is None or actor.waiting.kind != "spin":
                self._looks = 0
            if until is not None and until.done:
                return
            if deadline is not None and made % _LOOK_AT_CLOCK == 0 and monotonic() > deadline:
                raise SimulationError("the time limit passed: the design goes on without end, or needs a higher limit")
