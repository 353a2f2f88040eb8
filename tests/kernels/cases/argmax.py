"""Cases of argmax, from logits and from the head's partials."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import argmax
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.rows_of_logits import Rows, live
from tests.oracle.choice import descending

ROWS, CAPACITY = 3, 8


def cases(target: TargetSpec) -> Iterator[Case]:
    for vocab, kind in (
        (300, "spread"),
        (509, "tied"),
        (300, "flat"),
        (2, "spread"),
        (262208, "tied"),
        (262208, "spread"),
    ):
        for workgroup in (64, 1024):
            yield _logits(vocab, kind, workgroup)
    for parts in (1, 3, 513):
        yield _partials(parts)


def _logits(vocab: int, kind: str, workgroup: int) -> Case:
    rows = Rows(vocab, ROWS, kind)
    rows.logits[1] -= 50  # all negative
    rows.logits[2, : vocab // 2] = np.nan
    tokens = np.array([descending(row)[0] for row in rows.logits], np.uint32)
    return Case(
        f"argmax.logits.{vocab}.{kind}.w{workgroup}",
        argmax.spec(vocab=vocab, workgroup=workgroup),
        {"logits": rows.logits},
        {"tokens": live(tokens, CAPACITY)},
        Params(ROWS),
        CAPACITY,
        0,
        rows.seed,
    )


def _partials(parts: int) -> Case:
    """Pairs in any order, with ties."""
    rows = Rows(parts, ROWS, "tied")
    ids = np.stack([rows.rng.permutation(parts * 7)[:parts] for _ in range(ROWS)]).astype(np.uint32)
    pairs = np.stack([rows.logits.view(np.uint32), ids], axis=-1)
    best = [i[value == value.max()].min() for value, i in zip(rows.logits, ids, strict=True)]
    return Case(
        f"argmax.partials.{parts}",
        argmax.spec(parts=parts, source="partials", workgroup=256),
        {"partials": pairs},
        {"tokens": live(np.array(best, np.uint32), CAPACITY)},
        Params(ROWS),
        CAPACITY,
        0,
        rows.seed,
    )
