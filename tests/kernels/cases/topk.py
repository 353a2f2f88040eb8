"""Cases of topk: lists that are sorted at once, and rows that need the radix select first."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import topk
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.rows_of_logits import KINDS, Rows, live
from tests.oracle.choice import descending, log_sum_exp

ROWS, CAPACITY = 3, 8


def cases(target: TargetSpec) -> Iterator[Case]:
    for vocab, k in ((300, 64), (509, 1), (5, 5)):
        yield case(vocab, k, "spread")
    for kind in KINDS:
        yield case(9001, 64, kind)
        yield case(262208, 64, kind)
        yield case(9001, 256, kind, workgroup=128)  # fewer invocations than K: no bound from them
    yield case(9001, 7, "crowded", workgroup=64)


def case(vocab: int, k: int, kind: str, workgroup: int = 1024) -> Case:
    rows = Rows(vocab, ROWS, kind)
    rows.logits[1, rows.rng.integers(0, vocab, (vocab - k) // 3)] = np.nan
    ids = np.stack([descending(row)[:k] for row in rows.logits])
    expected = {
        "values": np.take_along_axis(rows.logits, ids, 1),
        "ids": ids.astype(np.uint32),
        "log_sum_exp": np.array([log_sum_exp(row) for row in rows.logits]),
    }
    return Case(
        f"topk.{vocab}.k{k}.{kind}.w{workgroup}",
        topk.spec(vocab=vocab, k=k, workgroup=workgroup),
        {"logits": rows.logits},
        {name: live(array, CAPACITY) for name, array in expected.items()},
        Params(ROWS),
        CAPACITY,
        {"values": 0, "ids": 0, "log_sum_exp": 1e-6},
        rows.seed,
    )
