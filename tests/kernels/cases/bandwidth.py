"""Cases of bandwidth: buffers shorter than a workgroup's stretch, ragged ones, and several rounds of all workgroups."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import bandwidth
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed


def cases(target: TargetSpec) -> Iterator[Case]:
    for words in (1, 255, 256 * 8 + 1, 70_001):
        yield case(words, 7, 8, 256)
    yield case(5000, 3, 4, 64)
    yield case(100_000, 2048, 8, 256)


def case(words: int, workgroups: int, unroll: int, workgroup: int) -> Case:
    seed = fresh_seed()
    values = np.random.default_rng(seed).integers(0, 2**32, (words, 4), np.uint32)
    reader = np.arange(words) // (unroll * workgroup) % workgroups
    sums = np.zeros(workgroups, np.uint64)
    np.add.at(sums, reader, values.sum(-1, dtype=np.uint64))
    return Case(
        f"bandwidth.{words}.{workgroups}x{unroll}x{workgroup}",
        bandwidth.spec(workgroups=workgroups, unroll=unroll, workgroup=workgroup),
        {"words": values},
        {"sums": (sums % 2**32).astype(np.uint32)},
        Params(0),
        1,
        0,
        seed,
        {"words": words},
    )
