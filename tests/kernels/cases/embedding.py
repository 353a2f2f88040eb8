"""Cases of embedding."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import embedding
from kernelc.target import TargetSpec
from kernelrt.params import Params
from kernelrt.quant import BODY_QUANTS
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed
from tests.oracle import quantize
from tests.oracle.embedding import embedding as oracle

# vocab, hidden, live rows, capacity
SHAPES = ((300, 80, 3, 8), (300, 128, 1, 1), (512, 5376, 40, 64))
WHOLE = ((300, 256, 3, 8), (512, 5376, 40, 64))  # in blocks of 256


def cases(target: TargetSpec) -> Iterator[Case]:
    for quant in (*BODY_QUANTS, "q6_k"):
        for shape in WHOLE if quant == "q6_k" else SHAPES:
            yield case(*shape, quant)
        yield case(*WHOLE[0], quant, spread=2e-5)  # weights or scales that are subnormal halves


def case(vocab: int, hidden: int, rows: int, capacity: int, quant: str, spread: float = 1.0) -> Case:
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    w, scales, weights = quantize.planes(spread * rng.standard_normal((vocab, hidden)), quant)
    tokens = np.full(capacity, 0xFFFFFFFF, np.uint32)
    tokens[:rows] = rng.integers(0, vocab, rows)
    tokens[0], tokens[rows - 1] = 0, vocab - 1  # one live row: the last token
    expected = np.full((capacity, hidden), np.nan)
    expected[:rows] = oracle(weights, tokens[:rows])
    arrays = {"tokens": tokens, "w": w} | ({} if scales is None else {"w_scale": scales})
    return Case(
        name=f"embedding.{quant}.{vocab}x{hidden}.{rows}of{capacity}.x{spread:g}",
        spec=embedding.spec(vocab=vocab, hidden=hidden, quant=quant),
        arrays=arrays,
        expected={"residual": expected},
        params=Params(rows=rows),
        capacity=capacity,
        tolerance=1e-7,
        seed=seed,
    )
