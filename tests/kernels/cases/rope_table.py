"""Cases of rope_table."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import rope_table
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.oracle.rope_table import rope_table as oracle

# head_dim, theta, scale, positions
SHAPES = (
    (40, 10_000.0, 1.0, 77),
    (32, 1_000_000.0, 8.0, 1024),
    (256, 10_000.0, 1.0, 1000),
    (16, 1_000_000.0, 8.0, 131072),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    """Nothing random: a table has no input."""
    for head_dim, theta, scale, positions in SHAPES:
        yield Case(
            f"rope_table.{head_dim}.{theta:g}.{scale:g}.{positions}",
            rope_table.spec(layer="local", positions=positions, head_dim=head_dim, theta=theta, scale=scale),
            {},
            {"table": oracle(np.arange(positions), head_dim, theta, scale)},
            Params(0),
            1,
            2e-7,
        )
