"""Cases of ffn_gate_up: tiny-odd's matrices whole, rows of the 27B ones, and SiLU."""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from kernelc.kernel import KernelSpec
from kernelc.kernels import ffn_gate_up
from kernelc.product.gemv import Gemv
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import Matvec
from kernelc.target import TargetSpec
from kernelrt.quant import BLOCK
from tests.kernels.case import Array, Case
from tests.kernels.draw import EPS
from tests.kernels.products import Cut, Outcome, Shape, beyond, product_cases
from tests.oracle.layout import pad, to_lanes
from tests.oracle.pointwise import F64, activate

# 96 rows are whole blocks; 168 and 72 leave a tail that must come out zero. Of 40 gated results the norm was so small
# in 1 of 300 draws that their error was beyond its bound.
GELU = (Matrix("ffn_gate_up", 96, 80, "q4_0", True), Matrix("ffn_gate_up", 168, 5376, "q4_0", True))
SILU = (Matrix("ffn_gate_up", 72, 64, "q4_0", True),)


def cases(target: TargetSpec) -> Iterator[Case]:
    for activation, sizes in (("gelu_tanh", GELU), ("silu", SILU)):

        def make(matrix: Matrix, cut: Cut, activation: str = activation) -> KernelSpec:
            writes = "rows_f32" if isinstance(cut, Gemv) else "lanes_f32"
            return ffn_gate_up.spec(matrix, cut, activation=activation, norm_eps=EPS, writes=writes)

        yield from product_cases(target, make, sizes, fused=True, judge=partial(_judge, activation))


def _judge(activation: str, matrix: Matrix, cut: Cut, shape: Shape, x: F64, dense: list[F64]) -> Outcome:
    live = pad(activate(x @ dense[0].T, activation) * (x @ dense[1].T))
    if isinstance(cut, Gemv):
        return Outcome({"out_rows": live})
    if isinstance(cut, Matvec):
        return Outcome({"out_lanes": beyond(to_lanes(live, matrix.format.unit, 4), shape.capacity)})
    largest = np.zeros(shape.capacity)
    largest[: shape.live] = np.abs(live).max(-1)
    twice = {"values": 2e-2, "row_max": 2e-2} if cut.operand == "bf16" else {}  # a product of two of them
    return Outcome(
        {"values": beyond(live, shape.capacity), "row_max": largest},
        twice,
        arrays={"row_max": np.zeros(shape.capacity, np.uint32)},
        view=_values,
    )


def _values(outputs: Mapping[str, Array]) -> Mapping[str, Array]:
    """The rows that a matrix form means: floats, or halves with a scale for every 32."""
    if "out_rows" in outputs:
        values = outputs["out_rows"]
    else:
        halves = outputs["out_halves"].view(np.float16).astype(np.float64)
        values = (halves.reshape(-1, BLOCK) * outputs["out_scale"].astype(np.float64)[:, None]).ravel()
    return {"values": values, "row_max": outputs["row_max"].view(np.float32)}
