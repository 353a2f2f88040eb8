"""Worker processes that survive each other's death.

NOTES: a native compiler may crash on a shader, or be killed for memory; the kernel it was on must be named and the
others go on. `concurrent.futures` breaks its whole pool then, hence this. Workers are forked, so tasks and function
need no pickling and a worker starts in milliseconds; the parent must have loaded no driver and started no thread. They
ignore Ctrl-C, which the parent turns into their end, and die with the parent.
"""

import ctypes
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Died:
    """The worker ended within a task: `code` as waitpid has it (negative: the signal)."""

    code: int

    @property
    def cause(self) -> str:
        if self.code >= 0:
            return f"exited with code {self.code}"
        try:
            name = signal.Signals(-self.code).name
        except ValueError:
            name = f"signal {-self.code}"
        return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


@dataclass(slots=True)
class _Worker:
    process: ForkProcess
    connection: Connection
    index: int  # of the task at hand


@dataclass(frozen=True, slots=True)
class _Raised:
    text: str


def run(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Generator[tuple[int, Result | Died]]:
    """Yields (index, result) of `function` for each task as they end, from `jobs` processes.

    Results are pickled. An exception in `function` is a defect of kernelc and ends the run as a RuntimeError with its
    traceback. Closing the iterator ends the workers.
    """
    context = multiprocessing.get_context("fork")
    waiting = iter(range(len(tasks)))
    workers: list[_Worker] = []

    def start(index: int) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, function, tasks, index, os.getpid()), daemon=True)
        # Held back until the child has its own handlers, or it would act on a signal as the parent does.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process.start()
            workers.append(_Worker(process, ours, index))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    try:
        for index in waiting:
            start(index)
            if len(workers) == jobs:
                break
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                index, result = worker.index, _receive(worker)
                following = next(waiting, None)
                if following is None or not _hand(worker, following):
                    _end(worker)
                    workers.remove(worker)
                    if following is not None:
                        start(following)
                yield index, result
    finally:
        for worker in workers:
            _end(worker)


def _hand(worker: _Worker, index: int) -> bool:
    worker.index = index
    try:
        worker.connection.send(index)
    except OSError:  # it died; another takes the task
        return False
    return True


def _receive(worker: _Worker) -> "Result | Died":  # pyright: ignore[reportInvalidTypeVarUse]  # what `function` returned
    try:
        result = worker.connection.recv()
    except (EOFError, OSError):  # the other end closed before or within the message
        worker.process.join()
        return Died(worker.process.exitcode or 0)
    if isinstance(result, _Raised):
        raise RuntimeError(f"in a worker process:\n{result.text}")
    return result


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()  # at any instant: what a worker writes is whole or not there (kernelc/store.py)
    worker.process.join()


def _serve(
    connection: Connection, function: Callable[[Task], Result], tasks: Sequence[Task], index: int, parent: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    while True:
        try:
            result: object = function(tasks[index])
        except Exception:  # carried to the parent, which raises it
            result = _Raised(traceback.format_exc())
        connection.send(result)
        try:
            index = connection.recv()
        except EOFError:
            return
