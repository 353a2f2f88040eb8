"""Q4_0 and Q8_0 as GGUF defines them, and the two planes that the kernels read.

A block is 32 weights w of a row.

- Q4_0, 18 bytes: fp16 d = m / -8 with m the weight of the largest magnitude, then 16 bytes; the low nibble of byte j
  is q of element j, the high nibble that of element j + 16; q = min(15, trunc(w / d + 8.5)), w ~ (q - 8) d.
- Q8_0, 34 bytes: fp16 d = max|w| / 127, then 32 int8 q = round(w / d), halves away from zero; w ~ q d.

The quotients are float32 products with 1 / d, where d is not yet rounded to fp16. A row is padded with zero weights
to whole blocks: they become integers that mean zero.

Planes: the blocks' integers as u32 [rows, units, 4] (a unit is 16 bytes: 32 weights in q4_0, 16 in q8_0, 8 in f16),
and the scales as f16 [rows, blocks] (None for f16, whose plane holds the halves).
"""

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
_SCALE = 2  # bytes of a block's scale, before its integers


def pad(w: NDArray[np.floating]) -> NDArray[np.float32]:
    """[rows, K] -> float32 [rows, ceil(K / 32) * 32], the tail zero."""
    rows, width = w.shape
    out = np.zeros((rows, -(-width // BLOCK) * BLOCK), np.float32)
    out[:, :width] = w
    return out


def to_blocks(w: NDArray[np.floating], quant: str) -> NDArray[np.uint8]:
    """[rows, K] -> GGUF's bytes, uint8 [rows, ceil(K / 32), 18 or 34]. `quant` is "q4_0" or "q8_0"."""
    padded = pad(w)
    x = padded.reshape(len(padded), -1, BLOCK)
    magnitude = np.abs(x)
    if quant == "q4_0":
        d = np.take_along_axis(x, magnitude.argmax(-1, keepdims=True), -1) / np.float32(-8)
        q = np.minimum(np.trunc(x * _inverse(d) + np.float32(8.5)), 15).astype(np.uint8)
        integers = q[..., : BLOCK // 2] | q[..., BLOCK // 2 :] << np.uint8(4)
    elif quant == "q8_0":
        d = magnitude.max(-1, keepdims=True) / np.float32(127)
        scaled = x * _inverse(d)
        whole = np.floor(np.abs(scaled))
        away = whole + (np.abs(scaled) - whole >= 0.5)
        integers = np.copysign(away, scaled).astype(np.int8).view(np.uint8)
    else:
        raise ValueError(f"{quant} has no blocks")
    return np.concatenate([d.astype(np.float16).view(np.uint8), integers], -1)


def split_blocks(blocks: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.float16]]:
    """GGUF's bytes [rows, blocks, 18 or 34] -> the same bytes as planes u32 [rows, units, 4] and f16 [rows, blocks]."""
    rows, count, _ = blocks.shape
    scales = np.ascontiguousarray(blocks[..., :_SCALE]).view(np.float16).reshape(rows, count)
    return np.ascontiguousarray(blocks[..., _SCALE:]).view(np.uint32).reshape(rows, -1, 4), scales


def from_blocks(blocks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """GGUF's bytes [rows, blocks, 18 or 34] -> the weights they mean, [rows, blocks * 32]; exact (fp16 times int8)."""
    rows, _, size = blocks.shape
    d = np.ascontiguousarray(blocks[..., :_SCALE]).view(np.float16).astype(np.float64)
    integers = blocks[..., _SCALE:]
    if size == _SCALE + BLOCK:
        q = integers.view(np.int8).astype(np.float64)
    else:
        q = np.concatenate([integers & np.uint8(15), integers >> np.uint8(4)], -1).astype(np.float64) - 8
    return (q * d).reshape(rows, -1)


def planes(
    w: NDArray[np.floating], quant: str
) -> tuple[NDArray[np.uint32], NDArray[np.float16] | None, NDArray[np.float64]]:
    """[rows, K] -> (quants u32 [rows, units, 4], scales f16 [rows, blocks] or None, what they mean, fp64 [rows, K])."""
    rows, width = w.shape
    if quant == "f16":
        halves = pad(w).astype(np.float16)
        return halves.view(np.uint32).reshape(rows, -1, 4), None, halves[:, :width].astype(np.float64)
    blocks = to_blocks(w, quant)
    quants, scales = split_blocks(blocks)
    return quants, scales, from_blocks(blocks)[:, :width]


def _inverse(d: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / d, and 0 where d is 0 (a block of zeros)."""
    return np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)
