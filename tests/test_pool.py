"""Worker processes: results as they come, and a worker's death is its task's alone."""

import os
import signal
import time
from contextlib import closing

import pytest

from kernelc.pool import Died, run


def test_every_task_gives_its_result() -> None:
    assert sorted(run(lambda x: x * x, range(20), 3)) == [(i, i * i) for i in range(20)]
    assert list(run(lambda x: x, [], 3)) == []


def test_tasks_run_in_other_processes_at_the_same_time() -> None:
    results = dict(run(lambda _: (os.getpid(), time.sleep(0.2)), range(4), 2))
    pids = {result[0] for result in results.values() if isinstance(result, tuple)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_a_dead_worker_costs_its_own_task_alone() -> None:
    def work(x: int) -> int:
        if x == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if x == 5:
            os._exit(7)
        return x

    results = dict(run(work, range(10), 2))
    assert results == {i: i for i in range(10)} | {3: Died(-9), 5: Died(7)}
    assert "SIGKILL" in Died(-9).cause
    assert "code 7" in Died(7).cause
    assert "signal 63" in Died(-63).cause


def test_a_defect_is_raised_with_its_traceback() -> None:
    def work(x: int) -> None:
        raise ValueError(f"no {x}")

    with pytest.raises(RuntimeError, match=r"(?s)in work.*ValueError: no 0"):
        list(run(work, [0], 1))


def test_closing_ends_the_workers() -> None:
    def work(x: int) -> int:
        if x:
            time.sleep(600)
        return os.getpid()

    with closing(run(work, [0, 1, 2], 2)) as results:
        index, pid = next(results)
    assert index == 0
    assert isinstance(pid, int)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
