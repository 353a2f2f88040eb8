"""Cases of head: tiny-odd's vocabulary, and rows of the 27B one."""

from collections.abc import Iterator, Mapping

import numpy as np

from kernelc.kernel import KernelSpec, ceil_div
from kernelc.kernels import head
from kernelc.product.matrix import Matrix
from kernelc.product.tiles import Tiles
from kernelc.target import TargetSpec
from tests.kernels.case import Array, Case
from tests.kernels.draw import EPS
from tests.kernels.products import Cut, Outcome, Shape, beyond, product_cases
from tests.oracle.pointwise import F64


def cases(target: TargetSpec) -> Iterator[Case]:
    sizes = (Matrix("head", 300, 80, "q4_0"), Matrix("head", 101, 5376, "q4_0"))
    whole = (Matrix("head", 300, 256, "q6_k"), sizes[1])

    def make(matrix: Matrix, cut: Cut) -> KernelSpec:
        return head.spec(matrix, cut, norm_eps=EPS)

    yield from product_cases(target, make, sizes, fused=True, judge=_judge)
    yield from product_cases(target, make, whole, fused=True, quants=("q6_k",), judge=_judge)


def _judge(matrix: Matrix, cut: Cut, shape: Shape, x: F64, dense: list[F64]) -> Outcome:
    logits = {"out_rows": beyond(x @ dense[0].T, shape.capacity)}
    if isinstance(cut, Tiles):
        return Outcome(logits)

    def view(outputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Beside the logits, how many workgroups did not name the best of the logits that they wrote."""
        rows = outputs["out_rows"].reshape(shape.capacity, matrix.height)[: shape.live]
        best = outputs["best"].reshape(shape.capacity, -1, 2)
        wrong = 0
        for group in range(ceil_div(matrix.height, cut.rows_per_workgroup)):
            part = rows[:, group * cut.rows_per_workgroup : (group + 1) * cut.rows_per_workgroup]
            wrong += np.count_nonzero(best[: shape.live, group, 0].copy().view(np.float32) != part.max(-1))
            wrong += np.count_nonzero(best[: shape.live, group, 1] != group * cut.rows_per_workgroup + part.argmax(-1))
        wrong += np.count_nonzero(best[shape.live :] != 0xFFFFFFFF)
        return {**outputs, "wrong_best": np.array([wrong])}

    return Outcome({**logits, "wrong_best": np.array([0])}, view=view)
