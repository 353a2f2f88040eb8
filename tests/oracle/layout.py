"""The layouts of activation vectors (templates/glsl/lib/activation.glsl), in numpy."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kernelrt.quant import padded

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
