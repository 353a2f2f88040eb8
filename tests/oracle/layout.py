"""The layouts of activation vectors (templates/glsl/lib/activation.glsl), in numpy."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kernelrt.quant import BLOCK, padded

S = TypeVar("S", bound=np.generic)


def pad(x: NDArray[S]) -> NDArray[S]:
    """[rows, width] -> [rows, padded(width)], the tail zero."""
    out = np.zeros((x.shape[0], padded(x.shape[1])), x.dtype)
    out[:, : x.shape[1]] = x
    return out


def to_lanes(x: NDArray[S], unit: int, part: int) -> NDArray[S]:
    """[rows, padded] -> the lanes layout: [rows, unit / part, units, part] flattened by row."""
    rows, width = x.shape
    return np.ascontiguousarray(x.reshape(rows, width // unit, unit // part, part).swapaxes(1, 2)).reshape(rows, width)


def from_lanes(x: NDArray[S], unit: int, part: int) -> NDArray[S]:
    """The inverse of `to_lanes`."""
    rows, width = x.shape
    return np.ascontiguousarray(x.reshape(rows, unit // part, width // unit, part).swapaxes(1, 2)).reshape(rows, width)


def quantize_q8(x: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float64]]:
    """[rows, padded] -> (int8 [rows, padded], (scale, sum of the integers) f32 [rows, blocks, 2], the values they
    mean, fp64).
    """
    rows, width = x.shape
    blocks = x.astype(np.float64).reshape(rows, width // BLOCK, BLOCK)
    scale = np.abs(blocks).max(-1, keepdims=True) / 127
    q = np.rint(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale != 0))
    pairs = np.concatenate([scale, q.sum(-1, keepdims=True)], -1).astype(np.float32)
    return q.astype(np.int8).reshape(rows, width), pairs, (q * scale.astype(np.float32)).reshape(rows, width)


def q8_view(
    words: NDArray[np.generic], scales: NDArray[np.generic], width: int, unit: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a kernel wrote as lanes_q8 -> (values fp64 [rows, padded], written sum - true sum [rows, blocks]); NaN
    where unwritten.
    """
    wide = padded(width)
    integers = from_lanes(words.view(np.int8).reshape(-1, wide), unit, 16).astype(np.float64)
    pairs = scales.astype(np.float64).reshape(-1, wide // BLOCK, 2)
    by_block = integers.reshape(len(integers), -1, BLOCK)
    return (by_block * pairs[..., :1]).reshape(len(integers), wide), pairs[..., 1] - by_block.sum(-1)


def q8_steps(values: NDArray[np.float64], expected: NDArray[np.float64], scales: NDArray[np.generic]) -> float:
    """The largest |value - expected| in steps of its block's scale, where something was written: 0.5 by rounding."""
    steps = scales.astype(np.float64).reshape(-1, values.shape[1] // BLOCK, 2)[..., :1]
    off = np.abs(values - expected).reshape(len(values), -1, BLOCK) / steps
    return float(np.nanmax(off))
