"""One executed example of a kernel: what goes in, what must come out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernelc.kernel import KernelSpec
from kernelrt.params import Params

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Case:
    """`arrays` fill the bindings of those names; all others are poisoned with ones in every bit (NaN as a float).

    `expected` gives the fp64 result by binding, whole buffers from their start; where it is NaN (or the largest u32)
    the kernel must have written nothing. `tolerance` bounds ||out - expected|| / ||expected||; 0 asks for equal
    integers. `capacity` is the bucket that the grid is recorded for, `params.rows` of which are live. `quantities`
    are further run-time sizes in the bindings' shapes. `view` turns the raw outputs (flat scalars by binding) into
    what `expected` speaks of, where that is another thing (int8 with scales, say).
    """

    name: str
    spec: KernelSpec
    arrays: Mapping[str, Array]
    expected: Mapping[str, Array]
    params: Params
    capacity: int
    tolerance: float | Mapping[str, float]
    seed: int = 0
    quantities: Mapping[str, int] = field(default_factory=dict)
    view: Callable[[Mapping[str, Array]], Mapping[str, Array]] = dict
