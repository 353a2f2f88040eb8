"""Cases of ffn_gate_up: tiny-odd's matrices whole, rows of the 27B ones, and SiLU."""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from kernelc.kernel import KernelSpec
from kernelc.kernels import ffn_gate_up
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import Matvec
from kernelc.target import TargetSpec
from kernelrt.quant import padded
from tests.kernels.case import Array, Case
from tests.kernels.products import EPS, Q8_TOLERANCE, Cut, Outcome, Shape, beyond, product_cases
from tests.oracle.layout import pad, q8_view, to_lanes
from tests.oracle.pointwise import F64, activate

# 96 rows are whole blocks; 40 and 72 leave a tail that must come out zero.
GELU = (Matrix("ffn_gate_up", 96, 80, "q4_0", True), Matrix("ffn_gate_up", 40, 5376, "q4_0", True))
SILU = (Matrix("ffn_gate_up", 72, 64, "q4_0", True),)


def cases(target: TargetSpec) -> Iterator[Case]:
    for activation, sizes in (("gelu_tanh", GELU), ("silu", SILU)):

        def make(matrix: Matrix, cut: Cut, activation: str = activation) -> KernelSpec:
            return ffn_gate_up.spec(matrix, cut, activation=activation, norm_eps=EPS)

        yield from product_cases(target, make, sizes, fused=True, judge=partial(_judge, activation))


def _judge(activation: str, matrix: Matrix, cut: Cut, shape: Shape, x: F64, dense: list[F64]) -> Outcome:
    live = pad(activate(x @ dense[0].T, activation) * (x @ dense[1].T))
    if isinstance(cut, Matvec) and cut.dot:
        expected = {"values": beyond(live, shape.capacity), "sum_gap": beyond(live[:, ::32] * 0, shape.capacity)}
        return Outcome(expected, {"values": Q8_TOLERANCE}, view=partial(_q8, matrix))
    if isinstance(cut, Matvec):
        return Outcome({"out_lanes": beyond(to_lanes(live, matrix.format.unit, 4), shape.capacity)})
    largest = np.zeros(shape.capacity)
    largest[: shape.live] = np.abs(live).max(-1)
    twice = {"out_rows": 2e-2, "row_max": 2e-2} if cut.operand == "bf16" else {}  # a product of two of them
    return Outcome(
        {"out_rows": beyond(live, shape.capacity), "row_max": largest},
        twice,
        arrays={"row_max": np.zeros(shape.capacity, np.uint32)},
        view=lambda outputs: {**outputs, "row_max": outputs["row_max"].view(np.float32)},
    )


def _q8(matrix: Matrix, outputs: Mapping[str, Array]) -> Mapping[str, Array]:
    values, gap = q8_view(outputs["out_words"], outputs["out_scale"], padded(matrix.height), matrix.format.unit)
    return {**outputs, "values": values.ravel(), "sum_gap": gap.ravel()}
