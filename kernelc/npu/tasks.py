"""Runtime sequences: in which order tasks start, and when the instructions wait, so that no queue overflows."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kernelc.npu.dma import Bd, Direction
from kernelrt.npu.hardware import LIMITS, QUEUE


@dataclass(frozen=True, slots=True)
class Transfer:
    """A task for a channel of a shim tile: its chain of BDs, run `repeat` times more. `fifo`: whose channel it is, if
    one's.
    """

    column: int
    direction: Direction
    channel: int
    bds: tuple[Bd, ...]
    repeat: int = 0
    fifo: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction: "start" configures and starts a task, "await" waits for its token."""

    kind: Literal["start", "await"]
    task: int
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A named sequence, as a template prints it."""

    name: str
    steps: tuple[Step, ...]


@dataclass(slots=True)
class _Shim:
    """What one shim tile has in flight: tasks by channel, oldest first."""

    queues: dict[tuple[Direction, int], deque[tuple[int, int]]] = field(
        default_factory=dict[tuple[Direction, int], deque[tuple[int, int]]]
    )

    @property
    def bds(self) -> int:
        return sum(count for queue in self.queues.values() for _, count in queue)


def ordered(rounds: Iterable[Sequence[Transfer]], ahead: int = 1) -> tuple[Step, ...]:
    """Starts the transfers of a round while those of the `ahead` rounds before it still run, and awaits every task
    once.

    A task is awaited earlier where its channel's queue or the shim tile's BDs would overflow.
    """
    shims: dict[int, _Shim] = {}
    steps: list[Step] = []
    running: deque[list[tuple[Transfer, int]]] = deque()
    count = 0

    def wait(shim: _Shim, key: tuple[Direction, int], until: int | None) -> None:
        """Awaits the oldest task of a channel, or all up to task `until`: tokens of a channel come in order."""
        queue = shim.queues[key]
        while queue and (until is None or queue[0][0] <= until):
            task, _ = queue.popleft()
            steps.append(Step("await", task))
            if until is None:
                return

    for transfers in rounds:
        if len(running) > ahead:
            for transfer, task in running.popleft():
                wait(shims[transfer.column], (transfer.direction, transfer.channel), task)
        started: list[tuple[Transfer, int]] = []
        for transfer in transfers:
            shim = shims.setdefault(transfer.column, _Shim())
            key = (transfer.direction, transfer.channel)
            queue = shim.queues.setdefault(key, deque())
            if len(queue) >= QUEUE:
                wait(shim, key, None)
            while shim.bds + len(transfer.bds) > LIMITS["shim"].bds:
                wait(shim, min((q[0][0], k) for k, q in shim.queues.items() if q)[1], None)
            steps.append(Step("start", count, transfer))
            queue.append((count, len(transfer.bds)))
            started.append((transfer, count))
            count += 1
        running.append(started)
    for shim in shims.values():
        for key in sorted(shim.queues):
            wait(shim, key, count)
    return tuple(steps)
