"""npu_out: what the NPU's attention gave, as the output projection reads it.

    out[r][i] = half(npu_out[r][i]),  the tail zero

npu_out bf16 [rows, heads head_dim], two in a word; out f16 [rows, padded(heads head_dim)]. Rows from params.rows on
stay as they were.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import padded


def spec(*, width: int, rows: int, workgroup: int = 256) -> KernelSpec:
    """One kernel; `width` is heads x head_dim, a multiple of 8, and `rows` the NPU kernel's."""
    if width % 8:
        raise ValueError(f"npu_out: rows of {width} are no whole units of 8")
    units, wide = width // 8, padded(width) // 8
    return KernelSpec(
        name="npu_out",
        family="npu_out",
        params=frozen({"units": units, "wide": wide}),
        bindings=(
            Binding("params", "params", ()),
            Binding("npu_out", "u32x4", ("rows", units)),
            Binding("out_halves", "u32x4", ("rows", wide), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(ceil_div(wide, workgroup)), Dim(of="rows"), Dim()),
        work=Work(rows, 0, 2 * rows * width, 16 * rows * wide),
        tags=tags("prefill", writes="rows_f16"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """One kernel, where the target has an NPU."""
    if target.npu:
        yield spec(width=model.attn_width, rows=prefill_rows(target))
