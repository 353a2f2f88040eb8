"""norm: the stretch between two matrices, for more than one row.

    residual_out = residual + rmsnorm(branch) * post_weight;  h = rmsnorm(residual_out) * pre_weight

All f32 [rows, hidden]; rmsnorm(x) = x / sqrt(mean(x^2) + eps); weights are (1 + w) already. h leaves as its reader
wants it: by rows in floats (the tile form) or halves (cooperative matrices), or in the lanes layout (the matvec form).
By rows it clears `row_max`, which ffn_gate_up collects afterwards. For the few rows of a batch's steps the halves have
a kernel of their own where a target has chains (kernelc.chain) or wants it of another size.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Work, frozen, tags
from kernelc.product.matrix import norm_bindings
from kernelc.product.matvec import MATVEC_COLUMNS
from kernelc.product.tiles import prefill_rows, row_layouts
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import QUANTS, padded

BY_ROWS = ("rows_f32", "rows_f16")


def spec(
    *,
    width: int,
    eps: float,
    out: Layout,
    quant: str,
    rows: int,
    workgroup: int = 256,
    phase: Literal["decode", "any"] = "any",
) -> KernelSpec:
    """One kernel. `out` is rows_f32, rows_f16 or lanes_f32; `quant` gives the reader's unit in the lanes layout."""
    wide, unit, by_rows = padded(width), QUANTS[quant].unit, out in BY_ROWS
    row_max = Binding("row_max", "u32", ("rows",), "w")
    outputs = {
        "rows_f32": [Binding("out_rows", "f32x4", ("rows", wide // 4), "w"), row_max],
        "rows_f16": [Binding("out_halves", "f16x4", ("rows", wide // 4), "w"), row_max],
        "lanes_f32": [Binding("out_lanes", "f32x4", ("rows", wide // 4), "w")],
    }[out]
    out_bytes = 2 * wide if out == "rows_f16" else 4 * wide
    sort = [f"b{rows}"] if phase == "decode" else []
    return KernelSpec(
        name=".".join(["norm", *sort, out, *([] if by_rows else [quant])]),
        family="norm",
        params=frozen(
            {
                "width": width,
                "padded": wide,
                "unit": unit,
                "eps": eps,
                "out": out,
                "clears_row_max": by_rows,
            }
        ),
        bindings=(Binding("params", "params", ()), *norm_bindings(width), *outputs),
        workgroup=workgroup,
        grid=(Dim(of="rows"), Dim(), Dim()),
        work=Work(rows, 12 * rows * width, rows * 8 * width + 8 * width, rows * (4 * width + out_bytes)),
        requires=("subgroup", *(("storage16",) if out == "rows_f16" else ())),
        tags=tags(phase, rows=rows, unit=0 if by_rows else unit, reads="stretch", writes=out),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """Rows for the matrix forms that the target has, halves of a batch's steps apart where it asks for that; lanes for
    the matvec forms of the layers' format, and of the head's where its unit is another.
    """
    outs: dict[tuple[Layout, int], str] = {(layout, 0): buckets.quant for layout in row_layouts(target)}
    if any(1 < batch <= MATVEC_COLUMNS for batch in buckets.batch):
        for quant in (buckets.quant, buckets.embedding):
            outs.setdefault(("lanes_f32", QUANTS[quant].unit), quant)
    make, workgroup = partial(spec, width=model.hidden, eps=model.norm_eps), target.tune.get("norm_workgroup", 256)
    for (out, _), quant in outs.items():
        rows = prefill_rows(target) if out in BY_ROWS else MATVEC_COLUMNS
        yield make(out=out, quant=quant, rows=rows, workgroup=workgroup)
    most = max(buckets.batch)
    apart = target.chains or "norm_workgroup_short" in target.tune
    if apart and most > MATVEC_COLUMNS and ("rows_f16", 0) in outs:
        short = target.tune.get("norm_workgroup_short", workgroup)
        yield make(out="rows_f16", quant=buckets.quant, rows=most, workgroup=short, phase="decode")
