"""Cases of ffn_down: tiny-odd's matrix whole, rows of the 27B one, and activations outside of fp16's range."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import ffn_down
from kernelc.product.matrix import Matrix
from kernelc.target import TargetSpec
from tests.kernels.case import Case
from tests.kernels.products import Cut, Outcome, Shape, beyond, product_cases
from tests.oracle.pointwise import F64


def cases(target: TargetSpec) -> Iterator[Case]:
    sizes = (Matrix("ffn_down", 80, 96, "q4_0"), Matrix("ffn_down", 40, 21504, "q4_0"))
    yield from product_cases(
        target,
        lambda matrix, cut: ffn_down.spec(matrix, cut),
        sizes,
        fused=False,
        loud=True,
        judge=_judge,
    )


def _judge(matrix: Matrix, cut: Cut, shape: Shape, x: F64, dense: list[F64]) -> Outcome:
    largest = np.zeros(shape.capacity, np.float32)
    largest[: shape.live] = np.abs(x).max(-1)
    return Outcome({"out_rows": beyond(x @ dense[0].T, shape.capacity)}, arrays={"row_max": largest})
