"""norm: the stretch between two matrices, for more than one row.

    residual_out = residual + rmsnorm(branch) * post_weight;  h = rmsnorm(residual_out) * pre_weight

All f32 [rows, hidden]; rmsnorm(x) = x / sqrt(mean(x^2) + eps); weights are (1 + w) already. h leaves as its reader
wants it: halves by rows (matrix forms), or the lanes layout in floats or int8 (matvec forms). It clears `row_max`,
which ffn_gate_up collects afterwards.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Work, frozen, tags
from kernelc.product.forms import dot_pays
from kernelc.product.matrix import norm_bindings
from kernelc.product.matvec import MATVEC_COLUMNS
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import BLOCK, QUANTS, padded


def spec(*, width: int, eps: float, out: Layout, quant: str, rows: int, workgroup: int = 256) -> KernelSpec:
    """One kernel. `out` is rows_f16, lanes_f32 or lanes_q8; `quant` gives the reader's unit in the lanes layouts."""
    wide, unit = padded(width), QUANTS[quant].unit
    outputs = {
        "rows_f16": [
            Binding("out_halves", "f16x4", ("rows", wide // 4), "w"),
            Binding("row_max", "u32", ("rows",), "w"),
        ],
        "lanes_f32": [Binding("out_lanes", "f32x4", ("rows", wide // 4), "w")],
        "lanes_q8": [
            Binding("out_words", "u32", ("rows", wide // 4), "w"),
            Binding("out_scale", "f32x2", ("rows", wide // BLOCK), "w"),
        ],
    }[out]
    out_bytes = {"rows_f16": 2 * wide, "lanes_f32": 4 * wide, "lanes_q8": wide + wide // 4}[out]
    return KernelSpec(
        name=f"norm.{out}" if out == "rows_f16" else f"norm.{out}.{quant}",
        family="norm",
        params=frozen(
            {
                "width": width,
                "padded": wide,
                "unit": unit,
                "eps": eps,
                "out": out,
                "clears_row_max": out == "rows_f16",
            }
        ),
        bindings=(Binding("params", "params", ()), *norm_bindings(width), *outputs),
        workgroup=workgroup,
        grid=(Dim(of="rows"), Dim(), Dim()),
        work=Work(rows, 12 * rows * width, rows * 8 * width + 8 * width, rows * (4 * width + out_bytes)),
        requires=("subgroup", *(("storage16",) if out == "rows_f16" else ())),
        tags=tags("any", rows=rows, reads="stretch", writes=out),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    workgroup = target.tune.get("norm_workgroup", 256)
    outs: list[Layout] = ["rows_f16"]
    if any(1 < batch <= MATVEC_COLUMNS for batch in buckets.batch):
        outs.append("lanes_f32")
        if dot_pays(target, buckets.quant):
            outs.append("lanes_q8")
    for out in outs:
        rows = prefill_rows(target) if out == "rows_f16" else MATVEC_COLUMNS
        yield spec(width=model.hidden, eps=model.norm_eps, out=out, quant=buckets.quant, rows=rows, workgroup=workgroup)
