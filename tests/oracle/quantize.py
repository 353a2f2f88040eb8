"""Q4_0, Q8_0 and Q6_K as GGUF defines them, and the two planes that the kernels read.

A block is 32 weights w of a row, in Q6_K 256.

- Q4_0, 18 bytes: fp16 d = m / -8 with m the weight of the largest magnitude, then 16 bytes; the low nibble of byte j
  is q of element j, the high nibble that of element j + 16; q = min(15, trunc(w / d + 8.5)), w ~ (q - 8) d.
- Q8_0, 34 bytes: fp16 d = max|w| / 127, then 32 int8 q = round(w / d), halves away from zero; w ~ q d.
- Q6_K, 210 bytes: 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales s (one per 16 weights), fp16 d;
  w ~ d s (q - 32), q of 6 bits. Element 128 h + 32 k + l has its nibble in byte 64 h + 32 (k % 2) + l (the high one for
  k above 1) and its pair in bits 2 k of byte 32 h + l. What is written here is near enough and not llama.cpp's search.

The quotients are float32 products with 1 / d, where d is not yet rounded to fp16. A row is padded with zero weights
to whole blocks: they become integers that mean zero.

Planes: the blocks' integers as u32 [rows, units, 4] (a unit is 16 bytes: 32 weights in q4_0, 16 in q8_0, 8 in f16),
and the scales as f16 [rows, blocks] (None for f16, whose plane holds the halves). Q6_K: int8 (q - 32), 16 a unit, and
d s as f32 [rows, units].
"""

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
_SCALE = 2  # bytes of a block's scale, before its integers
Q6_K_BLOCK, Q6_K_BYTES = 256, 210


def pad(w: NDArray[np.floating]) -> NDArray[np.float32]:
    """[rows, K] -> float32 [rows, ceil(K / 32) * 32], the tail zero."""
    rows, width = w.shape
    out = np.zeros((rows, -(-width // BLOCK) * BLOCK), np.float32)
    out[:, :width] = w
    return out


def to_blocks(w: NDArray[np.floating], quant: str) -> NDArray[np.uint8]:
    """[rows, K] -> GGUF's bytes, uint8 [rows, ceil(K / 32), 18 or 34], for q6_k [rows, K / 256, 210]."""
    if quant == "q6_k":
        return _to_q6_k(w)
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


def split_q6_k(blocks: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """GGUF's bytes [rows, blocks, 210] -> (q - 32, int8 [rows, blocks * 256]; d s, f32 [rows, blocks * 16], exact)."""
    rows, count, _ = blocks.shape
    nibbles = blocks[..., :128].reshape(rows, count, 2, 2, 32)
    low = np.stack([nibbles & np.uint8(15), nibbles >> np.uint8(4)], 3)  # half, which nibble, k % 2, l
    pairs = blocks[..., 128:192].reshape(rows, count, 2, 1, 32)
    shifts = np.array([0, 2, 4, 6], np.uint8).reshape(4, 1)
    high = (pairs >> shifts & np.uint8(3)).reshape(rows, count, 2, 2, 2, 32)
    q = (low | high << np.uint8(4)).astype(np.int8) - np.int8(32)
    scales = blocks[..., 192:208].view(np.int8).astype(np.float32)
    d = np.ascontiguousarray(blocks[..., 208:]).view(np.float16).astype(np.float32)
    with np.errstate(invalid="ignore"):  # random bytes may mean 0 times infinity
        return q.reshape(rows, -1), (d * scales).reshape(rows, -1)


def from_blocks(blocks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """GGUF's bytes [rows, blocks, 18, 34 or 210] -> the weights they mean, [rows, blocks * 32 or 256]; exact."""
    rows, _, size = blocks.shape
    if size == Q6_K_BYTES:
        integers, scales = split_q6_k(blocks)
        return integers.astype(np.float64) * np.repeat(scales.astype(np.float64), 16, -1)
    d = np.ascontiguousarray(blocks[..., :_SCALE]).view(np.float16).astype(np.float64)
    integers = blocks[..., _SCALE:]
    if size == _SCALE + BLOCK:
        q = integers.view(np.int8).astype(np.float64)
    else:
        q = np.concatenate([integers & np.uint8(15), integers >> np.uint8(4)], -1).astype(np.float64) - 8
    return (q * d).reshape(rows, -1)


def planes(
    w: NDArray[np.floating], quant: str
) -> tuple[NDArray[np.uint32], NDArray[np.floating] | None, NDArray[np.float64]]:
    """[rows, K] -> (quants u32 [rows, units, 4], scales [rows, …] or None, what they mean, fp64 [rows, K])."""
    rows, width = w.shape
    if quant == "f16":
        halves = pad(w).astype(np.float16)
        return halves.view(np.uint32).reshape(rows, -1, 4), None, halves[:, :width].astype(np.float64)
    blocks = to_blocks(w, quant)
    if quant == "q6_k":
        integers, products = split_q6_k(blocks)
        return integers.view(np.uint32).reshape(rows, -1, 4), products, from_blocks(blocks)
    quants, scales = split_blocks(blocks)
    return quants, scales, from_blocks(blocks)[:, :width]


def _to_q6_k(w: NDArray[np.floating]) -> NDArray[np.uint8]:
    rows, width = w.shape
    if width % Q6_K_BLOCK:
        raise ValueError(f"rows of {width} are no whole blocks of {Q6_K_BLOCK}")
    x = w.astype(np.float32).reshape(rows, -1, 16, 16)
    largest = np.take_along_axis(x, np.abs(x).argmax(-1, keepdims=True), -1) / np.float32(-32)
    d = np.abs(largest).max(-2, keepdims=True) / np.float32(127)
    near = np.maximum(d, np.float32(2.0**-24)).astype(np.float16)  # the least half that is not zero
    d = np.where(near < d, np.nextafter(near, np.float16(np.inf)), near)  # rounded up: no scale leaves int8
    scales = np.clip(np.rint(largest / d.astype(np.float32)), -128, 127).astype(np.int8)
    step = d.astype(np.float32) * scales.astype(np.float32)
    q = np.clip(np.rint(np.divide(x, step, out=np.zeros_like(x), where=step != 0)), -32, 31).astype(np.int8) + 32
    parts = q.astype(np.uint8).reshape(rows, -1, 2, 2, 2, 32)  # half, which nibble, k % 2, l
    low = parts & np.uint8(15)
    nibbles = low[:, :, :, 0] | low[:, :, :, 1] << np.uint8(4)
    pairs = (parts >> np.uint8(4)).reshape(rows, -1, 2, 4, 32) << np.array([0, 2, 4, 6], np.uint8).reshape(4, 1)
    pieces = (nibbles, np.bitwise_or.reduce(pairs, axis=3), scales.view(np.uint8), d.view(np.uint8))
    return np.concatenate([piece.reshape(rows, x.shape[1], -1) for piece in pieces], -1)


def _inverse(d: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / d, and 0 where d is 0 (a block of zeros)."""
    return np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)
