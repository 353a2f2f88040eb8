"""QK-norm and RoPE (NeoX, the half-split form of Hugging Face: pairs (i, i + head_dim / 2))."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.oracle.pointwise import rms_norm

F64 = NDArray[np.float64]
Floats = NDArray[np.floating]


class Heads(NamedTuple):
    """q fp64 [rows, heads, head_dim]; k, v fp64 [rows, kv_heads, head_dim]."""

    q: F64
    k: F64
    v: F64


def rotate(x: F64, table: F64) -> F64:
    """x [rows, heads, head_dim] by a row's (cos, sin) of `table` [rows, head_dim / 2, 2]."""
    lower, upper = np.split(x, 2, -1)
    c, s = table[:, None, :, 0], table[:, None, :, 1]
    return np.concatenate([lower * c - upper * s, upper * c + lower * s], -1)


def qk_rope(qkv: Floats, table: F64, q_norm: Floats, k_norm: Floats, heads: int, kv_heads: int, eps: float) -> Heads:
    """qkv [rows, (heads + 2 kv_heads) head_dim] -> the heads, q and k normed and rotated; no softmax scale."""
    head_dim = len(q_norm)
    x = qkv.astype(np.float64).reshape(len(qkv), heads + 2 * kv_heads, head_dim)
    q, k, v = np.split(x, [heads, heads + kv_heads], 1)
    q_weight, k_weight = q_norm.astype(np.float64), k_norm.astype(np.float64)
    return Heads(rotate(rms_norm(q, q_weight, eps), table), rotate(rms_norm(k, k_weight, eps), table), v)
