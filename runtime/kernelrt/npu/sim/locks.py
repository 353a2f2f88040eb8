"""Locks of a tile: counting semaphores of six bits."""

from collections import deque
from typing import Literal

from kernelrt.npu.errors import SimulationError
from kernelrt.npu.hardware import LOCK_VALUES
from kernelrt.npu.place import Place
from kernelrt.npu.sim.scheduler import Actor, Scheduler, Wait


class SimLock:
    """A lock's value, with the modelled time at which each of its units was released: who takes it is not earlier.
    `releasers`: the actors whose program releases it, for the explanation of a deadlock."""

    __slots__ = ("_scheduler", "_waiters", "label", "place", "releasers", "stamps", "value")

    def __init__(self, label: str, init: int, place: str, scheduler: Scheduler) -> None:
        self.label = label
        self.place = place
        self.value = init
        self.stamps: deque[int] = deque([0] * init)
        self.releasers: list[Actor] = []
        self._waiters: list[tuple[Actor, int, bool]] = []
        self._scheduler = scheduler

    def acquire(self, actor: Actor, action: Literal["ge", "eq"], need: int, where: Place, fifo: str = "") -> bool:
        """Takes `need` off, or leaves `actor` waiting for it."""
        exact = action == "eq"
        if self.value == need if exact else self.value >= need:
            self.value -= need
            stamps = self.stamps
            time = actor.clock
            for _ in range(need):
                stamp = stamps.popleft()
                if stamp > time:
                    time = stamp
            actor.until(time)
            return True
        if not any(waiter is actor for waiter, _, _ in self._waiters):
            self._waiters.append((actor, need, exact))
        actor.waiting = Wait("fifo" if fifo else "lock", self, need, where, fifo)
        return False

    def release(self, count: int, time: int, who: str) -> None:
        """Adds `count`, at a modelled time.

        Raises:
            SimulationError: more than 63.
        """
        if self.value + count > LOCK_VALUES[-1]:
            raise SimulationError(
                f"{self.place}: {who} releases {self.label} by {count} to {self.value + count}: "
                f"a lock holds at most {LOCK_VALUES[-1]}"
            )
        self.value += count
        self.stamps.extend([time] * count)
        self._wake(time)

    def set(self, value: int, time: int) -> None:
        """What the host writes."""
        self.value = value
        self.stamps = deque([time] * value)
        self._wake(time)

    def _wake(self, time: int) -> None:
        if not self._waiters:
            return
        still: list[tuple[Actor, int, bool]] = []
        for entry in self._waiters:
            actor, need, exact = entry
            if self.value == need if exact else self.value >= need:
                self._scheduler.wake(actor, time)
            else:
                still.append(entry)
        self._waiters = still
