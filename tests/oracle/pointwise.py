"""The pointwise parts of Gemma 3 in fp64, as `transformers` defines them."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def rms_norm(x: F64, weight: F64, eps: float) -> F64:
    """x / sqrt(mean(x^2) + eps) * weight over the last axis; weight is (1 + w) already."""
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def stretch(branch: F64, residual: F64, post_weight: F64, pre_weight: F64, eps: float) -> tuple[F64, F64]:
    """(residual + rmsnorm(branch) * post_weight, rmsnorm of that * pre_weight), [rows, hidden] both."""
    summed = residual + rms_norm(branch, post_weight, eps)
    return summed, rms_norm(summed, pre_weight, eps)


def activate(x: F64, activation: str) -> F64:
    """gelu_pytorch_tanh or SiLU."""
    if activation == "gelu_tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x / (1 + np.exp(-x))


def bfloat16(x: NDArray[np.floating]) -> NDArray[np.uint16]:
    """The bits of x in bfloat16, rounded to nearest, ties to even."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
