"""Attention as the NPU's kernels define it, in fp64: powers of two, rings, many sequences."""

import numpy as np
from numpy.typing import NDArray

from tests.oracle.attention import attention, visible_keys

F64 = NDArray[np.float64]


def prefill(q: F64, k: F64, v: F64, start: int, rows: int, window: int | None) -> F64:
    """The first `rows` queries of q [heads, chunk, d] at positions start, start + 1, ... over the caches k and v
    [kv_heads, capacity, d], whose entry p % capacity holds position p for the last `capacity` positions. Scores come
    scaled for powers of two. Gives [rows, heads, d].
    """
    capacity, last = k.shape[1], start + rows - 1
    keys = np.arange(max(0, last + 1 - capacity), last + 1)
    seen = visible_keys(np.arange(start, last + 1), keys, window)
    at = keys % capacity
    return attention(
        q[:, :rows].transpose(1, 0, 2), k[:, at].transpose(1, 0, 2), v[:, at].transpose(1, 0, 2), seen, float(np.log(2))
    )


def decode(q: F64, k: F64, v: F64, positions: tuple[int | None, ...], window: int | None) -> F64:
    """One query a head for each sequence: q [batch, heads, d], k and v [batch, kv_heads, capacity, d]; zeros where
    there is no position. Gives [batch, heads, d].
    """
    return np.stack(
        [
            np.zeros_like(q[b]) if p is None else prefill(q[b][:, None], k[b], v[b], p, 1, window)[0]
            for b, p in enumerate(positions)
        ]
    )
