"""The cascade between neighbouring cores."""

from collections import deque

from kernelrt.npu.sim.scheduler import Actor, Scheduler, Wait

DEPTH = 4
"""Values of 512 bits under way: two at each end (AMD AM020, cascade streams)."""


class CascadeLink:
    """`source` puts, `target` gets."""

    __slots__ = ("_scheduler", "_values", "moved", "source", "target")

    def __init__(self, scheduler: Scheduler) -> None:
        self.source: Actor | None = None
        self.target: Actor | None = None
        self.moved = 0
        self._values: deque[tuple[bytes, int]] = deque()
        self._scheduler = scheduler

    def put(self, actor: Actor, value: bytes) -> bool:
        """False where `actor` has to wait for room."""
        if len(self._values) >= DEPTH:
            actor.waiting = Wait("cascade", self, 0, None, "puts")
            return False
        self._values.append((value, actor.clock))
        self.moved += len(value)
        if self.target is not None:
            self._scheduler.wake(self.target, actor.clock)
        return True

    def get(self, actor: Actor) -> bytes | None:
        """None where `actor` has to wait for a value."""
        if not self._values:
            actor.waiting = Wait("cascade", self, 0, None, "gets")
            return None
        value, time = self._values.popleft()
        actor.until(time)
        if self.source is not None:
            self._scheduler.wake(self.source, actor.clock)
        return value
