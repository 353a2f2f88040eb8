"""What the two gemm kernels share: a matrix times the transpose of another, over the whole array.

    out[m][n] = sum over k of a[m][k] b[n][k]

a [rows, depth], b [columns, depth] (as weights lie), out [rows, columns]. A row of compute tiles shares a block of a,
a column one of b. Each tile keeps its block of sums until all of the depth has passed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Literal

from kernelc.npu.attention import TILES
from kernelc.npu.budget import STACK, Budget, Tally
from kernelc.npu.dma import Bd, blocked, memref, unblocked
from kernelc.npu.spec import ITEM_BYTES, MACS_PER_CYCLE, HostArgument, NpuKernelSpec, NpuWork
from kernelc.npu.tasks import Listing, Transfer, ordered
from kernelrt.errors import InputError
from kernelrt.npu.hardware import ITERATIONS, LIMITS

_EDGES = (128, 112, 96, 80, 64, 48, 32)  # of a tile's block of sums: whole groups of registers in either dtype
_DEPTHS = range(256, 15, -8)


@dataclass(frozen=True, slots=True)
class Gemm:
    """What is computed, from "bf16" to bf16 with f32 sums, or from "i8" to i32."""

    rows: int
    columns: int
    depth: int
    dtype: Literal["bf16", "i8"]

    @property
    def result(self) -> Literal["bf16", "i32"]:
        return "bf16" if self.dtype == "bf16" else "i32"

    @property
    def wide(self) -> int:
        """Columns of the block of sums that vector.contract makes of 4 rows."""
        return 4 if self.dtype == "bf16" else 8


@dataclass(frozen=True, slots=True)
class Block:
    """What a tile multiplies at a time."""

    rows: int
    columns: int
    depth: int

    def cycles(self, gemm: Gemm) -> float:
        """A guess of cycles for a multiply-accumulate, to compare blocks by: what computes against what is streamed,
        and the way of the result, which nothing hides.
        """
        item, macs = ITEM_BYTES[gemm.dtype], self.rows * self.columns * self.depth
        compute = macs / MACS_PER_CYCLE[gemm.dtype] + self.rows * self.columns * 4 / 32
        stream = max(self.rows, self.columns) * self.depth * item / 4
        leave = self.rows * self.columns * ITEM_BYTES[gemm.result] * self.depth / gemm.depth / 4
        return (max(compute, stream) + leave) / macs


def tile_buffers(gemm: Gemm, block: Block) -> tuple[tuple[str, int], ...]:
    """Bytes of a compute tile's buffers."""
    item, sums = ITEM_BYTES[gemm.dtype], block.rows * block.columns
    found = (
        ("stack", STACK),
        ("a twice", 2 * block.rows * block.depth * item),
        ("b twice", 2 * block.columns * block.depth * item),
        ("sums", 4 * sums),
    )
    return (*found, ("results", 2 * sums)) if gemm.dtype == "bf16" else found


def tuned(gemm: Gemm, name: str) -> Block:
    """The best block that fits. Raises InputError where the matrices are no whole blocks."""
    fitting = [
        block
        for rows, columns, depth in product(_EDGES, _EDGES, _DEPTHS)
        if not (gemm.rows % (TILES * rows) or gemm.columns % (TILES * columns) or gemm.depth % depth)
        and not Tally("compute", tile_buffers(gemm, block := Block(rows, columns, depth)), (), 0).faults()
    ]
    if not fitting:
        shape = f"{gemm.rows} x {gemm.columns} x {gemm.depth}"
        raise InputError(f"{name}: {shape} has no blocks: rows and columns are multiples of 128, the depth of 16")
    return min(fitting, key=lambda block: block.cycles(gemm))


def spec(gemm: Gemm, name: str, family: str, block: Block | None = None) -> NpuKernelSpec:
    """One kernel. Raises InputError where it does not fit the NPU."""
    block = block or tuned(gemm, name)
    m, n, k, wide = block.rows, block.columns, block.depth, gemm.wide
    if m % 16 or n % 16 or k % 8 or gemm.rows % (TILES * m) or gemm.columns % (TILES * n) or gemm.depth % k:
        shape = f"{gemm.rows} x {gemm.columns} x {gemm.depth}"
        raise InputError(f"{name}: {shape} is no whole blocks of {TILES * m} x {TILES * n} x {k}")
    arguments = (
        HostArgument("a", gemm.dtype, (gemm.rows, gemm.depth), ("row", "depth")),
        HostArgument("b", gemm.dtype, (gemm.columns, gemm.depth), ("column", "depth")),
        HostArgument("out", gemm.result, (gemm.rows, gemm.columns), ("row", "column"), "w"),
    )
    sequence = Listing("all", ordered(_rounds(gemm, block, arguments)))
    item, out = ITEM_BYTES[gemm.dtype], ITEM_BYTES[gemm.result]
    panels = (("a", 2 * m * k * item), ("b", 2 * n * k * item), ("out", 2 * TILES * m * n * out))
    memory = (("S2MM", 0), ("S2MM", 1), *(("S2MM", 2 + t) for t in range(TILES)), ("MM2S", 0), ("MM2S", 1), ("MM2S", 2))
    budget = Budget(
        (
            Tally("compute", tile_buffers(gemm, block), ((("S2MM", 0), 2), (("S2MM", 1), 2), (("MM2S", 0), 1)), 6),
            Tally("memory", panels, tuple((channel, 2) for channel in memory), 12),
        )
    )
    budget.check(name)
    params: dict[str, object] = {
        "m": m,
        "n": n,
        "k": k,
        "wide": wide,
        "steps": gemm.depth // k,
        "a_dims": blocked(m, k, 4, 8, k),
        "b_dims": blocked(n, k, wide, 8, k),
        "out_dims": unblocked(m, n, 4, wide),
        "arguments": ", ".join(f"%{a.name} : {memref(a.elements, a.dtype)}" for a in arguments),
        "sequences": (sequence,),
        "stack": STACK,
    }
    moved = (gemm.columns // (TILES * n) * gemm.rows + gemm.rows // (TILES * m) * gemm.columns) * gemm.depth * item
    return NpuKernelSpec(
        name,
        family,
        tuple(sorted(params.items())),
        arguments,
        (sequence.name,),
        NpuWork(gemm.rows * gemm.columns * gemm.depth, moved + gemm.rows * gemm.columns * out, TILES * TILES),
        budget,
        (("block_columns", n), ("block_depth", k), ("block_rows", m), ("dtype", gemm.dtype)),
    )


def _rounds(gemm: Gemm, block: Block, arguments: tuple[HostArgument, ...]) -> Iterator[list[Transfer]]:
    """Rows of blocks: the blocks of a again and again, all blocks of b, all results."""
    across = gemm.columns // (TILES * block.columns)
    reach = LIMITS["shim"].steps * 4 // ITEM_BYTES[gemm.dtype]
    at_once = gcd(across, ITERATIONS) if TILES * block.columns * gemm.depth <= reach else 1
    for i in range(gemm.rows // (TILES * block.rows)):
        for j in range(0, across, at_once):
            yield [t for c in range(TILES) for t in _column(c, i, j, at_once, gemm, block, arguments)]


def _column(
    c: int, i: int, j: int, times: int, gemm: Gemm, block: Block, arguments: tuple[HostArgument, ...]
) -> Iterator[Transfer]:
    a, b, out = (memref(x.elements, x.dtype) for x in arguments)
    m, n, k, depth, width = block.rows, block.columns, block.depth, gemm.depth, gemm.columns

    def moved(stride: int, *inner: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        return ((times, stride), *inner) if times > 1 else inner

    first = (j * TILES + c) * n
    results = moved(TILES * n, (TILES, m * width), (m, width), (n, 1))
    yield Transfer(
        c,
        "S2MM",
        0,
        (Bd("out", out, i * TILES * m * width + c * n + j * TILES * n, TILES * m * n, results),),
        times - 1,
        f"out_{c}",
    )
    rows = moved(0, (depth // k, k), (m, depth), (k, 1))
    yield Transfer(c, "MM2S", 0, (Bd("a", a, (i * TILES + c) * m * depth, m * depth, rows),), times - 1, f"a_{c}")
    columns = moved(TILES * n * depth, (depth // k, k), (n, depth), (k, 1))
    yield Transfer(c, "MM2S", 1, (Bd("b", b, first * depth, n * depth, columns),), times - 1, f"b_{c}")
