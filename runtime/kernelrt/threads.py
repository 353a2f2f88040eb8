"""The threads that share a start's work: reading weights, compiling kernels."""

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread, current_thread

_MOST = 16


def threads() -> int:
    """One for each core of this process, within reason."""
    return max(1, min(_MOST, len(os.sched_getaffinity(0))))


@contextmanager
def pool(name: str) -> Generator[ThreadPoolExecutor, None, None]:
    """Threads of that name. Behind it none of them runs, whatever was raised and however often: what they use is freed
    next. Work that was not begun by then is not begun any more.
    """
    started: list[Thread] = []  # the executor does not know one in whose start a signal came
    executor = ThreadPoolExecutor(threads(), name, lambda: started.append(current_thread()))
    leaving, ended = Event(), Event()

    def end() -> None:
        leaving.wait()
        executor.shutdown(wait=True, cancel_futures=True)
        for thread in started:
            thread.join()
        ended.set()

    # Not in this thread, where signals raise: Python takes a thread for dead whose join was interrupted.
    Thread(target=end, daemon=True).start()
    try:
        yield executor
    finally:
        raised: BaseException | None = None
        while not ended.is_set():
            try:
                leaving.set()
                ended.wait()
            except BaseException as error:  # of a signal: it has to wait
                raised = error
        if raised is not None:
            raise raised
