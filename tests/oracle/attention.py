"""Softmax attention with shared key/value heads."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def attention(q: F64, k: F64, v: F64, visible: NDArray[np.bool_], scale: float) -> F64:
    """softmax(scale q k^T) v over the visible keys.

    q [rows, heads, d]; k, v [keys, kv_heads, d]; visible [rows, keys], at least one key a row. Query head h uses kv
    head h // (heads / kv_heads). Gives fp64 [rows, heads, d].
    """
    group = q.shape[1] // k.shape[1]
    keys, values = np.repeat(k, group, 1), np.repeat(v, group, 1)
    scores = np.where(visible[None], np.einsum("rhd,khd->hrk", q, keys) * scale, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("hrk,khd->rhd", weights, values)


def visible_keys(queries: NDArray[np.integer], keys: NDArray[np.integer], window: int | None) -> NDArray[np.bool_]:
    """Which keys' positions a query's position attends to: itself and, in a window, window - 1 before it."""
    distance = queries[:, None] - keys[None, :]
    return (distance >= 0) & (distance < (window or np.iinfo(np.int64).max))
