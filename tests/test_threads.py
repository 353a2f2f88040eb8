"""Threads of a start: nothing goes on behind them, and so nothing uses what is freed next."""

import os
import signal
from threading import Event
from types import FrameType

import pytest

from kernelrt.threads import pool


class _Interrupted(BaseException):
    """As a command raises it at every signal."""


def test_signals_wait_until_the_threads_have_ended() -> None:
    seen = [Event(), Event()]
    done: list[str] = []

    def handler(number: int, frame: FrameType | None) -> None:
        for event in [event for event in seen if not event.is_set()][:1]:
            event.set()
        raise _Interrupted

    def work() -> None:
        for event in seen:  # the second signal comes while the pool is ending
            os.kill(os.getpid(), signal.SIGUSR1)
            while not event.wait(0.1):  # one that comes just before a wait begins does not end it
                os.kill(os.getpid(), signal.SIGUSR1)
        done.append("work")

    def begin() -> None:
        with pool("test") as workers:
            workers.submit(work)
            Event().wait()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(_Interrupted):
            begin()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert done == ["work"]


def test_what_was_not_begun_is_not_begun_any_more() -> None:
    begun: list[int] = []
    go = Event()

    def work(number: int) -> None:
        begun.append(number)
        go.wait()

    def begin() -> None:
        with pool("test") as workers:
            futures = [workers.submit(work, number) for number in range(100)]
            futures[-1].add_done_callback(lambda _: go.set())  # it is cancelled: those that were begun may end
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        begin()
    assert len(begun) < 100
