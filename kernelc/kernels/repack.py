"""repack: the blocks of a GGUF tensor into the two planes of `kernelrt.quant`, on the device while weights are loaded.

A block of 32 weights is an fp16 scale and 16 (q4_0) or 32 (q8_0) bytes of integers, 18 or 34 bytes in all: every
other block starts at an odd halfword. The planes hold the same bytes in the same order, w u32x4 [blocks, 1 or 2] and
w_scale f16 [blocks].

Rows are whole blocks on both sides and follow one another without a gap, so the kernel counts blocks and knows no
shape: `params.rows` blocks from the start of `raw` go to block `params.start` of the planes and those behind it. So
matrices are laid below one another (q, k, v), and a large one is moved in parts. Run-time sizes: "rows" (blocks to
move), "words" of raw (ceil(rows * block bytes / 4)), "blocks" of the destination.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import BLOCK, QUANTS

# Workgroups in x. A large tensor has more groups of blocks than one dimension of a dispatch may count (65535).
GRID_X = 64
GROUP = 256  # blocks of a workgroup; even, so that each workgroup starts at a whole word
SCALE_BYTES = 2


def spec(*, quant: str, blocks: int = 1 << 20, group: int = GROUP, workgroup: int = 256) -> KernelSpec:
    """One kernel, for tensors of any shape. `blocks` only sizes the stated work."""
    form = QUANTS[quant]
    if not form.scaled or group % 2:
        raise ValueError(f"repack: {quant} in groups of {group}; it takes formats with scales, in even groups")
    integers = form.bits * BLOCK // 8
    block_bytes = integers + SCALE_BYTES
    return KernelSpec(
        name=f"repack.{quant}",
        family="repack",
        params=frozen({"quant": quant, "block_bytes": block_bytes, "group": group}),
        bindings=(
            Binding("params", "params", ()),
            Binding("raw", "u32", ("words",)),
            Binding("w", "u32x4", ("blocks", integers // 16), "w"),
            Binding("w_scale", "f16", ("blocks",), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(GRID_X), Dim(of="rows", per=GRID_X * group), Dim()),
        work=Work(blocks, 0, blocks * block_bytes, blocks * block_bytes),
        requires=("float16", "storage16"),
        tags=tags("load"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """One kernel where the bundle's weights have scales; halves are copied as they are."""
    if QUANTS[buckets.quant].scaled:
        blocks = model.vocab * -(-model.hidden // BLOCK)
        yield spec(quant=buckets.quant, blocks=blocks, workgroup=min(256, target.max_workgroup))
