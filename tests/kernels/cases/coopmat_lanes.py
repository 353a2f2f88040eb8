"""Cases of coopmat_lanes, for targets that say which order their lanes have."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import coopmat_lanes
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case


def cases(target: TargetSpec) -> Iterator[Case]:
    """The order of mma.m16n8k16, of both factors."""
    if "coopmat_mma" in target.features:
        lane, e = np.arange(32)[:, None], np.arange(8)
        place = 16 * (lane // 4 + e // 4 * 8) + lane % 4 * 2 + e % 2 + e // 2 % 2 * 8
        expected = {"places": np.stack([place, place]).astype(np.uint32)}
        yield Case("coopmat_lanes", coopmat_lanes.spec(subgroup=32), {}, expected, Params(0), 1, 0)
