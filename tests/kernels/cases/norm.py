"""Cases of norm: every layout that it writes, tiny-odd's width and the 27B one."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernel import Layout
from kernelc.kernels import norm
from kernelc.target import TargetSpec
from kernelrt.params import Params
from kernelrt.quant import BODY_QUANTS, QUANTS
from tests.kernels.case import Array, Case
from tests.kernels.draw import EPS, Draw
from tests.kernels.products import beyond, on_gpu
from tests.oracle.layout import pad, to_lanes


def cases(target: TargetSpec) -> Iterator[Case]:
    for width in (80, 5376):
        for workgroup in (256, 1024) if on_gpu(target) else (256,):
            yield _case(width, "rows_f16", "f16", workgroup=workgroup)
        yield _case(width, "rows_f32", "f16")
        yield _case(width, "rows_f32", "f16", loud=1e-4)
        for quant in BODY_QUANTS:
            yield _case(width, "lanes_f32", quant)


def _case(width: int, out: Layout, quant: str, loud: float = 1.0, workgroup: int = 256) -> Case:
    live, capacity, unit = 3, 5, QUANTS[quant].unit
    draw = Draw.fresh()
    arrays, residual, h = draw.norm_inputs(live, width, loud)
    wide = pad(h)

    expected: dict[str, Array] = {"residual_out": beyond(residual, capacity)}
    match out:
        case "rows_f16" | "rows_f32":
            expected["out_halves" if out == "rows_f16" else "out_rows"] = beyond(wide, capacity)
            expected["row_max"] = np.array([0] * live + [0xFFFFFFFF] * (capacity - live), np.uint32)
        case _:
            expected["out_lanes"] = beyond(to_lanes(wide, unit, 4), capacity)
    bounds = dict.fromkeys(expected, 1e-5) | {"out_halves": 5e-4, "row_max": 0}
    phase = "decode" if out == "rows_f16" else "any"
    spec = norm.spec(width=width, eps=EPS, out=out, quant=quant, rows=capacity, workgroup=workgroup, phase=phase)
    return Case(
        f"{spec.name}.{width}.x{loud:g}.w{workgroup}", spec, arrays, expected, Params(live), capacity, bounds, draw.seed
    )
