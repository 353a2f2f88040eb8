"""Cases of kernels as links of a chain: the same work, with counters."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from kernelc.chain import can_chain, chained
from tests.kernels.case import Case
from tests.kernels.harness import bound

DONE = 0x20000000  # what a counter holds when all workgroups of a dispatch have arrived


def in_chain(case: Case) -> Case:
    """The case behind a dispatch that is done, for poison has the bit that says so."""
    counters = {"here": np.array([DONE], np.uint32), "after": np.zeros(1, np.uint32)}
    bounds = {name: bound(case, name) for name in case.expected}
    return replace(
        case,
        name=f"{case.name}.chained",
        spec=chained(case.spec),
        arrays={**case.arrays, "here": np.zeros(1, np.uint32)},
        expected={**case.expected, **counters},
        tolerance={**bounds, "here": 0, "after": 0},
    )


def links(cases: Iterable[Case]) -> Iterator[Case]:
    """Those of the cases that can be in a chain, in one."""
    return (in_chain(case) for case in cases if can_chain(case.spec))
