"""Rows of logits that are easy and hard to choose from."""

import numpy as np
from numpy.typing import NDArray

from tests.kernels.harness import fresh_seed

KINDS = ("spread", "peaked", "tied", "flat", "crowded")


class Rows:
    """Random logits f32 [count, vocab] from a fresh seed, which a failure names.

    spread: normal, deviation 3. peaked: that with a few tokens far above. tied: few distinct values, the greatest of
    them zeros of either sign. flat: all equal. crowded: the greatest lie in few invocations' elements, so that a bound
    from each one's best is poor.
    """

    def __init__(self, vocab: int, count: int, kind: str) -> None:
        self.seed = fresh_seed()
        self.rng = np.random.default_rng(self.seed)
        self.logits = np.stack([self._row(vocab, kind) for _ in range(count)]).astype(np.float32)

    def _row(self, vocab: int, kind: str) -> NDArray[np.floating]:
        rng = self.rng
        row = rng.standard_normal(vocab) * 3
        if kind == "peaked":
            row[rng.integers(0, vocab, 40)] += rng.uniform(8, 16, 40)
        elif kind == "tied":
            row = np.round(np.abs(row)) * -0.5
            row[(row == 0) & (rng.random(vocab) < 0.5)] = 0.0
        elif kind == "flat":
            row = np.full(vocab, -1.25)
        elif kind == "crowded":
            row[np.arange(vocab) // 4 % 64 < 3] += 30
        return row


def live(expected: NDArray[np.generic], capacity: int) -> NDArray[np.generic]:
    """Expected rows, and behind them rows that stay as they were (NaN, or the largest u32)."""
    out = np.full((capacity, *expected.shape[1:]), np.nan if expected.dtype.kind == "f" else 0xFFFFFFFF, expected.dtype)
    out[: len(expected)] = expected
    return out
