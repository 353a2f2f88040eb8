"""What the attention families' cases share: shapes, random heads, and caches with a past."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.oracle.rope_table import rope_table

F64 = NDArray[np.float64]
EPS = 1e-6


@dataclass(frozen=True)
class HeadShape:
    """Heads of a model."""

    heads: int
    kv_heads: int
    head_dim: int
    query_scale_dim: float
    theta: float = 10_000.0
    rope_scale: float = 1.0

    @property
    def qkv_rows(self) -> int:
        return (self.heads + 2 * self.kv_heads) * self.head_dim

    @property
    def width(self) -> int:
        return self.heads * self.head_dim

    def table(self, positions: NDArray[np.integer]) -> NDArray[np.float32]:
        return rope_table(positions, self.head_dim, self.theta, self.rope_scale).astype(np.float32)

    def __str__(self) -> str:
        return f"{self.heads}h{self.kv_heads}kv{self.head_dim}"


TINY = HeadShape(4, 2, 32, 24.0)
ODD = HeadShape(3, 1, 40, 40.0, 1_000_000.0, 8.0)
ONE = HeadShape(2, 2, 64, 64.0)
FOUR = HeadShape(4, 1, 256, 256.0)  # of the 1B model
PAIR = HeadShape(4, 2, 256, 256.0)  # of the 4B and 12B models
BIG = HeadShape(32, 16, 128, 168.0, 1_000_000.0, 8.0)  # 27B


def normal(rng: np.random.Generator, *shape: int, spread: float = 1.0) -> NDArray[np.float32]:
    return (spread * rng.standard_normal(shape)).astype(np.float32)


def norm_weight(rng: np.random.Generator, head_dim: int) -> NDArray[np.float32]:
    """1 + w, large enough for a softmax that is neither flat nor a single key."""
    return (1.5 + 0.3 * rng.standard_normal(head_dim)).astype(np.float32)


def empty_cache(slots: int, shape: HeadShape, capacity: int) -> NDArray[np.float16]:
    """[slots, kv_heads, capacity, head_dim] of NaN: an entry that was never written must never be read."""
    return np.full((slots, shape.kv_heads, capacity, shape.head_dim), np.nan, np.float16)


def put(cache: NDArray[np.float16], slot: int, positions: NDArray[np.integer], heads: NDArray[np.floating]) -> None:
    """Writes heads [n, kv_heads, head_dim] of `positions` into a slot of the cache."""
    cache[slot, :, positions % cache.shape[2]] = heads.astype(np.float16)
