"""embedding in fp64."""

import math

import numpy as np
from numpy.typing import NDArray


def embedding(weights: NDArray[np.float64], tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
    """weights [vocab, hidden], tokens [rows] -> [rows, hidden], times sqrt(hidden) rounded to float32."""
    return weights[tokens] * float(np.float32(math.sqrt(weights.shape[1])))
