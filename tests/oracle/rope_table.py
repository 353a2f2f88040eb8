"""Rotary embedding's angles."""

import numpy as np
from numpy.typing import NDArray


def rope_table(positions: NDArray[np.integer], head_dim: int, theta: float, scale: float) -> NDArray[np.float64]:
    """positions [n] -> (cos, sin) of position * theta^(-2 i / head_dim) / scale, fp64 [n, head_dim / 2, 2]."""
    frequency = float(theta) ** (-2.0 * np.arange(head_dim // 2) / head_dim) / scale
    angle = np.asarray(positions, np.float64)[:, None] * frequency
    return np.stack([np.cos(angle), np.sin(angle)], -1)
