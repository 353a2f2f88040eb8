"""repack: the blocks of a GGUF tensor into the two planes of `kernelrt.quant`, on the device while weights are loaded.

- q4_0, q8_0: a block of 32 weights is an fp16 scale and 16 or 32 bytes of integers. The planes hold the same bytes in
  the same order: w u32x4 [blocks, 1 or 2], w_scale f16 [blocks].
- q6_k: a block of 256 weights is 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 int8 scales and an fp16 d.
  The planes hold int8 (q - 32), w u32x4 [blocks, 16], and for each 16 weights d * scale, which is exact: w_scale f32
  [blocks, 16].

Blocks are 18, 34 or 210 bytes, so that every other one starts at an odd halfword. Rows are whole blocks on both sides
and follow one another without a gap, so the kernel counts blocks and knows no shape: `params.rows` blocks from the
start of `raw` go to block `params.start` of the planes and those behind it. So matrices are laid below one another (q,
k, v), and a large one is moved in parts. Run-time sizes: "rows" (blocks to move), "words" of raw (ceil(rows * block
bytes / 4)), "blocks" of the destination.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import QUANTS

# Workgroups in x. A large tensor has more groups of blocks than one dimension of a dispatch may count (65535).
GRID_X = 64
GROUP_WEIGHTS = 8192  # of a workgroup's blocks: an even number of them, so that each workgroup starts at a whole word


def spec(*, quant: str, weights: int = 1 << 25, group: int | None = None, workgroup: int = 256) -> KernelSpec:
    """One kernel, for tensors of any shape. `group` is in blocks; `weights` only sizes the stated work."""
    form = QUANTS[quant]
    group = GROUP_WEIGHTS // form.block if group is None else group
    if not form.scaled or group % 2:
        raise ValueError(f"repack: {quant} in groups of {group}; it takes formats with scales, in even groups")
    units, scales, blocks = form.block // form.unit, form.block // form.group, weights // form.block
    return KernelSpec(
        name=f"repack.{quant}",
        family="repack",
        params=frozen({"quant": quant, "block_bytes": form.block_bytes, "units": units, "group": group}),
        bindings=(
            Binding("params", "params", ()),
            Binding("raw", "u32", ("words",)),
            Binding("w", "u32x4", ("blocks", units), "w"),
            Binding("w_scale", form.scale_dtype, ("blocks", scales) if scales > 1 else ("blocks",), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(GRID_X), Dim(of="rows", per=GRID_X * group), Dim()),
        work=Work(blocks, 0, blocks * form.block_bytes, form.weight_bytes(1, weights)),
        requires=("float16", "storage16") if form.scale_dtype == "f16" else (),
        tags=tags("load", quant=quant),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """One kernel for each of the bundle's formats that have scales; halves are copied as they are."""
    for quant in dict.fromkeys((buckets.quant, buckets.embedding)):
        if QUANTS[quant].scaled:
            yield spec(quant=quant, weights=model.vocab * model.hidden, workgroup=min(256, target.max_workgroup))
