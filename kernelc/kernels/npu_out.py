"""npu_out: what the NPU's attention gave, as the output projection reads it.

    out[r][i] = npu_out[r][i],  the tail zero

npu_out bf16, two in a word: [rows, heads head_dim] of a prefill chunk, and of a decode step [slots, stride], where row
r lies at the slot of its sequence. out as the GPU's attention leaves it: rows of halves or floats, or lanes. Rows from
params.rows on stay as they were.
"""

from collections.abc import Iterator
from typing import cast

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Work, ceil_div, frozen, tags
from kernelc.kernels import o_proj
from kernelc.npu.plan import apart, beside
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import padded

_OUT = {"rows_f16": ("out_halves", "f16x4"), "rows_f32": ("out_rows", "f32x4"), "lanes_f32": ("out_lanes", "f32x4")}


def spec(
    *, width: int, rows: int = 1, stride: int = 0, out: Layout = "rows_f16", unit: int = 1, workgroup: int = 256
) -> KernelSpec:
    """One kernel; `width` is heads x head_dim, a multiple of 4. Prefill: `rows` are the NPU kernel's. Decode: `stride`
    elements of bf16 between sequences; `unit` is that of the lanes layout.
    """
    if width % 4 or stride % 4 or out not in _OUT:
        raise ValueError(f"npu_out: no kernel for {width} elements, {stride} apart, that writes {out}")
    name, dtype = _OUT[out]
    wide = padded(width)
    source = Binding("npu_out", "u32x2", ("slots", stride // 4) if stride else ("rows", width // 4))
    return KernelSpec(
        name=f"npu_out.decode.{out}" if stride else "npu_out.prefill",
        family="npu_out",
        params=frozen({"width": width, "padded": wide, "stride": stride, "out": out, "unit": unit}),
        bindings=(Binding("params", "params", ()), source, Binding(name, dtype, ("rows", wide // 4), "w")),
        workgroup=workgroup,
        grid=(Dim(ceil_div(wide // 4, workgroup)), Dim(of="rows"), Dim()),
        work=Work(rows, 0, 2 * rows * width, (2 if out == "rows_f16" else 4) * rows * wide),
        requires=("storage16",) if out == "rows_f16" else (),
        tags=tags("decode" if stride else "prefill", writes=out),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """For prefill one kernel, for decode one for each layout that an output projection reads."""
    if beside(model, target, buckets, "prefill"):
        yield spec(width=model.attn_width, rows=prefill_rows(target))
    if beside(model, target, buckets, "decode"):
        for out, unit in _readers(model, target, buckets).items():
            yield spec(width=model.attn_width, stride=apart(model), out=out, unit=unit)


def _readers(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> dict[Layout, int]:
    """The layouts that output projections of decode steps read, with their units."""
    found: dict[Layout, int] = {}
    for reader in o_proj.kernels(model, target, buckets):
        tag = dict(reader.tags)
        if tag["phase"] == "decode":
            found[cast(Layout, tag["reads"])] = cast(int, reader.param.get("unit", 1))
    return found
