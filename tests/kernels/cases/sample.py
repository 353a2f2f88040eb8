"""Cases of sample: every combination of the limits, decided well away from rounding."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kernelc.kernels import sample
from kernelc.target import TargetSpec
from kernelrt.params import Params, Sequence
from tests.kernels.case import Case
from tests.kernels.rows_of_logits import KINDS, Rows, live
from tests.oracle import choice

GREEDY = (Sequence(top_k=40), Sequence(temperature=1.0, top_k=1), Sequence(temperature=1.0, top_p=1e-9))
DRAWN = (
    Sequence(temperature=1.0),
    Sequence(temperature=0.7, top_k=40, top_p=0.95),
    Sequence(temperature=1.5, top_p=0.9),
    Sequence(temperature=1.0, top_k=3, top_p=0.5),
    Sequence(temperature=0.8, top_k=2000),
    Sequence(temperature=30.0, top_k=1100, top_p=0.75),
    Sequence(temperature=1.0, top_k=1 << 30, top_p=0.3),
)
CAPACITY = 16


def cases(target: TargetSpec) -> Iterator[Case]:
    for vocab in (300, 509, 9001):
        for kind in KINDS:
            yield case(vocab, kind, GREEDY + DRAWN)
    for workgroup in (64, 256):
        yield case(9001, "tied", DRAWN, workgroup)
    for kind in ("spread", "peaked", "tied"):
        yield case(262208, kind, (GREEDY[0], *DRAWN))


def case(vocab: int, kind: str, sequences: tuple[Sequence, ...], workgroup: int = 1024) -> Case:
    rows = Rows(vocab, len(sequences), kind)
    rows.logits[:, rows.rng.integers(0, vocab, 2)] = (np.nan, -np.inf)
    drawn = [_settled(row, sequence, rows) for row, sequence in zip(rows.logits, sequences, strict=True)]
    tokens = np.array([token for token, _ in drawn], np.uint32)
    return Case(
        f"sample.{vocab}.{kind}.w{workgroup}",
        sample.spec(vocab=vocab, workgroup=workgroup),
        {"logits": rows.logits},
        {"tokens": live(tokens, CAPACITY)},
        Params(len(sequences), sequences=tuple(sequence for _, sequence in drawn)),
        CAPACITY,
        0,
        rows.seed,
    )


def _settled(row: np.ndarray, sequence: Sequence, rows: Rows) -> tuple[int, Sequence]:
    """The token, and the sequence with a seed and position by which rounding does not decide."""
    for _ in range(100):
        seeded = replace(sequence, seed=int(rows.rng.integers(2**32)), position=int(rows.rng.integers(2**17)))
        drawn = choice.sample(row, seeded)
        if drawn.settled:
            return drawn.token, seeded
    raise AssertionError(f"no draw away from rounding in 100 (seed {rows.seed})")
