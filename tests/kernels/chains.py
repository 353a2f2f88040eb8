"""Cases of kernels as links of a chain: the same work, with counters."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from kernelc.chain import can_chain, chained
from kernelrt.chain import STEP
from tests.kernels.case import Case
from tests.kernels.harness import bound


def in_chain(case: Case) -> Case:
    """The case in step 0 of a chain, whose dispatch in front is done. Its own counter begins where a step ends that is
    not the first.
    """
    done = {"before": np.array([0], np.uint32), "here": np.array([7 * STEP], np.uint32)}
    bounds = {name: bound(case, name) for name in case.expected}
    return replace(
        case,
        name=f"{case.name}.chained",
        spec=chained(case.spec),
        arrays={**case.arrays, **done},
        expected={**case.expected, "here": np.array([8 * STEP], np.uint32)},
        tolerance={**bounds, "here": 0},
        view=lambda outputs: {**case.view(outputs), "here": outputs["here"]},
    )


def links(cases: Iterable[Case]) -> Iterator[Case]:
    """Those of the cases that can be in a chain, in one."""
    return (in_chain(case) for case in cases if can_chain(case.spec))
