"""Bytes to the device through a ring of staging buffers: filled by threads while the device empties the others."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import Commands, Submission, barrier
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.run import Recording
from kernelrt.loading import Destination, Repack
from kernelrt.machine import Progress
from kernelrt.params import Params

Fill = Callable[[memoryview], None]  # writes into the staging buffer; run in any thread
MOST_THREADS = 16


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes of the staging buffer from `source` to a buffer of the device, at `start`."""

    target: Buffer
    source: int
    start: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Unpack:
    """GGUF blocks, `nbytes` from the begin of the staging buffer, to both planes, from block `start` on."""

    repack: Repack
    integers: Buffer
    scales: Buffer
    start: int
    blocks: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """One staging buffer's worth: what fills it, then what the device does with it. `nbytes` counts for progress."""

    fills: Sequence[Fill]
    moves: Sequence[Copy] | Unpack
    nbytes: int


def threads() -> int:
    """How many threads fill staging buffers: one for each core of this process, within reason."""
    return max(1, min(MOST_THREADS, len(os.sched_getaffinity(0))))


class _Place:
    """A staging buffer with its run-time scalars, and what goes on in it."""

    def __init__(self, staging: Buffer, params: Buffer, raw: Buffer | None) -> None:
        self.staging = staging
        self._params = params
        self._raw = raw
        self._job: Job | None = None
        self._filling: list[Future[None]] = []
        self._moving: ExitStack | None = None
        self._submission: Submission | None = None

    def fill(self, job: Job, pool: ThreadPoolExecutor) -> None:
        """Waits until the device is done with it, and begins to fill it."""
        self.finish()
        view = self.staging.view()
        self._job = job
        self._filling = [pool.submit(fill, view) for fill in job.fills]

    def move(self) -> int:
        """Waits until it is full, and submits; gives the job's bytes, 0 where there is none."""
        job, self._job = self._job, None
        if job is None:
            return 0
        for future in self._filling:
            future.result()
        self._filling = []
        stack = ExitStack()
        self._moving = stack
        if isinstance(job.moves, Unpack):
            commands = self._unpack(job.moves, stack)
        else:
            commands = [stack.enter_context(self._copies(job.moves))]
        self._submission = stack.enter_context(Submission(self.staging.device, commands))
        self._submission.start()
        return job.nbytes

    def finish(self) -> None:
        """Waits until the device is done with it."""
        if self._moving is not None and self._submission is not None:
            moving, submission = self._moving, self._submission
            self._moving = self._submission = None
            with moving:
                submission.wait()

    def abandon(self) -> None:
        """After an error: nothing runs and nothing is held any more. The threads must have ended."""
        self._filling = []
        self._job = None
        if self._moving is not None:
            self._moving.close()  # a submission that runs is waited for

    def _unpack(self, move: Unpack, stack: ExitStack) -> list[Commands]:
        self._params.write(Params(move.blocks, move.start).pack())
        before: list[Commands] = []
        if self._raw is not None:
            before.append(stack.enter_context(self._copies([Copy(self._raw, 0, 0, move.nbytes)])))
        buffers = (self._params, self._raw or self.staging, move.integers, move.scales)
        dispatch = Dispatch(move.repack.pipeline, buffers, move.repack.grid(move.blocks))
        return [*before, stack.enter_context(Recording(self.staging.device, [dispatch])).commands]

    def _copies(self, moves: Sequence[Copy]) -> Commands:
        device = self.staging.device
        regions: dict[int, list[Copy]] = {}
        for move in moves:
            regions.setdefault(id(move.target), []).append(move)

        def record(command: CData) -> None:
            for group in regions.values():
                arena = Arena(device.vk)
                each = [arena.new("VkBufferCopy", srcOffset=m.source, dstOffset=m.start, size=m.nbytes) for m in group]
                array = arena.array("VkBufferCopy", each)
                source, target = self.staging.handle, group[0].target.handle
                device.vk.lib.vkCmdCopyBuffer(command, source, target, len(each), array)
            barrier(device, command)

        return Commands(device, record)


def counted(progress: Progress, what: str, total: int) -> Callable[[int], None]:
    """Takes the bytes done since the last call, and tells `progress` of all so far."""
    done = 0

    def advance(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        progress(what, done, total)

    progress(what, 0, total)
    return advance


def stream(jobs: Iterable[Job], destination: Destination, progress: Callable[[int], None]) -> None:
    """Runs the jobs in their order. `progress` gets the bytes of each job once submitted.

    At return the device is done. An exception (of a fill, of `progress`, KeyboardInterrupt) comes out when every thread
    has ended and the device is idle; what was not begun is not begun any more.
    """
    raw = destination.raw or [None] * len(destination.ring)
    places = [_Place(*each) for each in zip(destination.ring, destination.params, raw, strict=True)]
    pool = ThreadPoolExecutor(threads(), "weights")
    try:
        count = 0
        for count, job in enumerate(jobs, 1):
            places[(count - 1) % len(places)].fill(job, pool)
            # All others of the ring are being filled; the one that was begun first goes next.
            if nbytes := places[count % len(places)].move():
                progress(nbytes)
        for i in range(len(places)):
            if nbytes := places[(count + 1 + i) % len(places)].move():
                progress(nbytes)
        for place in places:
            place.finish()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for place in places:
            place.abandon()
