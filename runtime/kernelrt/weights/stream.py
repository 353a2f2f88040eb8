"""Bytes to the device through a ring of staging buffers: filled by threads while the device empties the others."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import Commands, Record, Submission, barrier
from kernelrt.gpu.descriptors import Descriptors, Dispatch
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.run import record_dispatches
from kernelrt.loading import Destination, Repack
from kernelrt.machine import Progress
from kernelrt.params import Params
from kernelrt.threads import pool

Fill = Callable[[memoryview], None]  # writes into the staging buffer; run in any thread


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


class _Place:
    """A staging buffer with its run-time scalars, and what goes on in it.

    It has one submission for all of its jobs: NVIDIA's driver takes 0.3 ms to destroy a fence alone.
    """

    def __init__(self, staging: Buffer, params: Buffer, raw: Buffer | None) -> None:
        self.staging = staging
        self._params = params
        self._raw = raw
        self._job: Job | None = None
        self._filling: list[Future[None]] = []
        self._commands = Commands(staging.device)
        self._submission = Submission(staging.device, [self._commands])
        self._descriptors: Descriptors | None = None

    def fill(self, job: Job, workers: ThreadPoolExecutor) -> None:
        """Waits until the device is done with it, and begins to fill it."""
        self.finish()
        view = self.staging.view()
        self._job = job
        self._filling = [workers.submit(fill, view) for fill in job.fills]

    def move(self) -> int:
        """Waits until it is full, and submits; gives the job's bytes, 0 where there is none."""
        job, self._job = self._job, None
        if job is None:
            return 0
        for future in self._filling:
            future.result()
        self._filling = []
        moves = job.moves
        self._commands.record(self._unpack(moves) if isinstance(moves, Unpack) else partial(self._copy, moves))
        self._submission.start()
        return job.nbytes

    def finish(self) -> None:
        """Waits until the device is done with it."""
        self._submission.wait()
        if self._descriptors is not None:
            self._descriptors.close()
            self._descriptors = None

    def close(self) -> None:
        """Frees what it took. The threads must have ended; what the device still does is waited for."""
        self._submission.close()
        self._commands.close()
        if self._descriptors is not None:
            self._descriptors.close()

    def _unpack(self, move: Unpack) -> Record:
        self._params.write(Params(move.blocks, move.start).pack())
        buffers = (self._params, self._raw or self.staging, move.integers, move.scales)
        dispatch = Dispatch(move.repack.pipeline, buffers, move.repack.grid(move.blocks))
        dispatch.check(self.staging.device)
        descriptors = self._descriptors = Descriptors(self.staging.device, [dispatch])

        def record(command: CData) -> None:
            if self._raw is not None:
                self._copy([Copy(self._raw, 0, 0, move.nbytes)], command)
            record_dispatches(command, [dispatch], descriptors)
            barrier(self.staging.device, command)

        return record

    def _copy(self, moves: Sequence[Copy], command: CData) -> None:
        device = self.staging.device
        regions: dict[int, list[Copy]] = {}
        for move in moves:
            regions.setdefault(id(move.target), []).append(move)
        for group in regions.values():
            arena = Arena(device.vk)
            each = [arena.new("VkBufferCopy", srcOffset=m.source, dstOffset=m.start, size=m.nbytes) for m in group]
            array = arena.array("VkBufferCopy", each)
            device.vk.lib.vkCmdCopyBuffer(command, self.staging.handle, group[0].target.handle, len(each), array)
        barrier(device, command)


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
    with ExitStack() as stack:
        each = zip(destination.ring, destination.params, raw, strict=True)
        places = [stack.enter_context(closing(_Place(*buffers))) for buffers in each]
        workers = stack.enter_context(pool("weights"))
        count = 0
        for count, job in enumerate(jobs, 1):
            places[(count - 1) % len(places)].fill(job, workers)
            # All others of the ring are being filled; the one that was begun first goes next.
            if nbytes := places[count % len(places)].move():
                progress(nbytes)
        for i in range(len(places)):
            if nbytes := places[(count + 1 + i) % len(places)].move():
                progress(nbytes)
        for place in places:
            place.finish()
