"""Cases of penalty: rows of different slots and penalties, some of which leave a row as it was."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import penalty
from kernelc.target import TargetSpec
from kernelrt.params import Params, Sequence
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed
from tests.kernels.rows_of_logits import live
from tests.oracle import choice

CAPACITY, SLOTS = 8, 9
PENALTIES = (1.3, 1.0, 0.7, 5.0, 0.0, float("nan"))  # the last two are no penalties and change nothing


def cases(target: TargetSpec) -> Iterator[Case]:
    for vocab, share in ((300, 0.5), (509, 0.02), (31, 1.0), (262208, 0.01)):
        yield case(vocab, share)
    yield case(9001, 0.1, workgroup=64)


def case(vocab: int, share: float, workgroup: int = 256) -> Case:
    """`share` of the vocabulary occurred. Bits behind the vocabulary's end are set, and mean nothing."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    rows, words = len(PENALTIES), -(-vocab // 32)
    slots = rng.permutation(SLOTS)[:rows]
    occurred = np.ones((SLOTS, words * 32), np.bool_)
    occurred[:, :vocab] = rng.random((SLOTS, vocab)) < share
    logits = (rng.standard_normal((rows, vocab)) * 5).astype(np.float32)
    logits[:, 0] = 0.0
    logits[:, vocab - 1] = (-np.inf, np.inf, -np.inf, np.inf, 1.0, 2.0)
    expected = np.stack(
        [
            choice.penalise(row, occurred[slot, :vocab], value if value > 0 else 1.0)
            for row, slot, value in zip(logits, slots, PENALTIES, strict=True)
        ]
    )
    sequences = tuple(Sequence(slot=int(slot), penalty=p) for slot, p in zip(slots, PENALTIES, strict=True))
    return Case(
        f"penalty.{vocab}.{share:g}.w{workgroup}",
        penalty.spec(vocab=vocab, workgroup=workgroup),
        {"logits": logits, "seen": np.packbits(occurred, axis=-1, bitorder="little").view(np.uint32)},
        {"logits": live(expected, CAPACITY)},
        Params(rows, sequences=sequences),
        CAPACITY,
        1e-7,
        seed,
        {"slots": SLOTS},
    )
