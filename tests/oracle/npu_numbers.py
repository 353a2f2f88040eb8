"""The NPU's number formats: bf16 as NumPy has it not, and signed bytes with a power of two as their scale."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def to_bf16(x: NDArray[np.floating]) -> NDArray[np.uint16]:
    """The bits of the nearest bf16, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: NDArray[np.uint16]) -> F64:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def relative(found: F64, wanted: F64) -> float:
    """||found - wanted|| / ||wanted||."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
