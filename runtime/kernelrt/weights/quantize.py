"""Floats to GGUF's Q4_0 and Q8_0, bit for bit as ggml's reference (quantize_row_q4_0_ref, quantize_row_q8_0_ref).

A block is 32 weights x of a row, all arithmetic is in float32:

- Q4_0, 18 bytes: d = m / -8 with m the first weight of the largest magnitude; fp16 d, then 16 bytes: the low nibble of
  byte j is q of weight j, the high one that of weight j + 16, q = min(15, trunc(x / d + 8.5)).
- Q8_0, 34 bytes: d = max|x| / 127; fp16 d, then 32 int8 q = x / d rounded, halves away from zero.

x / d is x times 1 / d, with d not yet rounded to fp16. Where 1 / d is no finite float (every weight is below 1e-37, and
the fp16 d is zero) ggml's result is undefined; here it is zero.
"""

import numpy as np
from numpy.typing import NDArray

from kernelrt.weights.arrays import reshape, view
from kernelrt.weights.tensor import Bytes

Values = NDArray[np.float32]
BLOCK = 32
_SCALE = 2  # bytes of a block's scale, before its integers


def q4_0(x: Values) -> Bytes:
    """Finite float32 [blocks, 32] -> uint8 [blocks, 18]. A magnitude above 8 * 65504 leaves an infinite scale."""
    place = np.abs(x).argmax(axis=1)
    m = x[np.arange(len(x)), place] + np.float32(0)  # of a block of -0.0 it is 0.0 in ggml
    d = np.divide(m, np.float32(-8), dtype=np.float32)
    scaled = x * _inverse(d)[:, None]
    scaled += np.float32(8.5)
    q = np.minimum(scaled.astype(np.uint8), 15)
    out = np.empty((len(x), _SCALE + BLOCK // 2), np.uint8)
    out[:, :_SCALE] = _halves(d)
    np.left_shift(q[:, BLOCK // 2 :], np.uint8(4), out=out[:, _SCALE:])
    out[:, _SCALE:] |= q[:, : BLOCK // 2]
    return out


def q8_0(x: Values) -> Bytes:
    """Finite float32 [blocks, 32] -> uint8 [blocks, 34]. A magnitude above 127 * 65504 leaves an infinite scale."""
    largest = np.abs(np.maximum(x.max(axis=1), -x.min(axis=1)))
    d = np.divide(largest, np.float32(127), dtype=np.float32)
    scaled = x * _inverse(d)[:, None]
    whole = np.trunc(scaled)
    scaled -= whole  # exact, as is its double: the half is told without rounding
    scaled += scaled
    whole += np.trunc(scaled, out=scaled)
    out = np.empty((len(x), _SCALE + BLOCK), np.uint8)
    out[:, :_SCALE] = _halves(d)
    out[:, _SCALE:] = view(whole.astype(np.int8), np.uint8)
    return out


def _inverse(d: Values) -> Values:
    """1 / d, and 0 where that is not finite."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.reciprocal(d)
    inverse[~np.isfinite(inverse)] = 0
    return inverse


def _halves(d: Values) -> Bytes:
    with np.errstate(over="ignore", under="ignore"):
        return reshape(view(d.astype(np.float16), np.uint8), -1, _SCALE)
