"""embedding in fp64."""

import math

import numpy as np
from numpy.typing import NDArray


def embedding(weights: NDArray[np.float64], tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
    """weights [vocab, hidden], tokens [rows] -> [rows, hidden], times sqrt(hidden) rounded to bfloat16 (8 bits)."""
    mantissa, exponent = math.frexp(math.sqrt(weights.shape[1]))
    scale = math.ldexp(round(mantissa * 256), exponent - 8)
    return weights[tokens] * scale
