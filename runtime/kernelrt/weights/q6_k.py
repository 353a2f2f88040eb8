"""Floats to GGUF's Q6_K, in a simple way: a valid file, not the one that ggml's search for better scales would write.

A block of 256 weights is 16 groups of 16: w ~ d * scale * (q - 32), with an fp16 d of the block, an int8 scale of the
group and q of 6 bits. Its 210 bytes: 128 of low nibbles, 64 of high bit pairs, 16 scales, d. Within each half of 128
weights, 64 bytes hold the nibbles of weights i and i + 64, and 32 bytes the bit pairs of i, i + 32, i + 64 and i + 96.
"""

import numpy as np

from kernelrt.weights.arrays import reshape, view
from kernelrt.weights.quantize import Values
from kernelrt.weights.tensor import Bytes

BLOCK, GROUP = 256, 16


def q6_k(x: Values) -> Bytes:
    """Finite float32 [blocks, 256] -> uint8 [blocks, 210]; magnitudes up to 1e6, and no smaller than fp16 can scale."""
    groups = reshape(x, len(x), -1, GROUP)
    wanted = np.abs(groups).max(axis=2) / np.float32(31)
    exact = np.divide(wanted.max(axis=1, keepdims=True), np.float32(127), dtype=np.float32)
    d = exact.astype(np.float16)
    low = d < exact
    d[low] = np.nextafter(d[low], np.float16(np.inf))  # rounded up, so that every scale is an int8
    scales = np.minimum(np.rint(_ratio(wanted, d.astype(np.float32))), 127)
    steps = (d.astype(np.float32) * scales)[..., None]
    q = (np.minimum(np.maximum(np.rint(_ratio(groups, steps)), -32), 31) + 32).astype(np.uint8)
    quarters = reshape(q, len(x), 2, 4, 32)
    low, high = quarters & np.uint8(15), quarters >> np.uint8(4)
    nibbles = low[:, :, :2] | low[:, :, 2:] << np.uint8(4)
    pairs = high[:, :, 0] | high[:, :, 1] << np.uint8(2) | high[:, :, 2] << np.uint8(4) | high[:, :, 3] << np.uint8(6)
    parts = (reshape(nibbles, len(x), 128), reshape(pairs, len(x), 64), scales.astype(np.uint8), view(d, np.uint8))
    return np.concatenate(parts, axis=1)


def _ratio(a: Values, b: Values) -> Values:
    """a / b, and 0 where b is 0."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    return np.divide(a, b, out=np.zeros(shape, np.float32), where=b != 0)
