"""What the cases of all products with a weight matrix share: data, activations in each layout, expected rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelc.kernel import KernelSpec
from kernelc.product.forms import Cut
from kernelc.product.gemv import Gemv
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import MATVEC_COLUMNS, Matvec
from kernelc.product.tile_cuts import direct_tuned, tiles_tuned
from kernelc.product.tiles import PREFILL_ROWS, Tiles, direct_fits, direct_step, operands, prefill_rows, step_of
from kernelc.target import TargetSpec
from kernelrt.params import Params
from kernelrt.quant import BLOCK, BODY_QUANTS, QUANTS
from tests.kernels.case import Array, Case
from tests.kernels.draw import Draw
from tests.oracle.layout import pad, to_lanes
from tests.oracle.pointwise import F64

# ||out - ref|| / ||ref|| that each operand type may show: sums are f32; f16 has 11 bits, bf16 8.
TOLERANCE = {"f32": 2e-5, "f16": 1.5e-3, "bf16": 1e-2}
DOT_TOLERANCE = 1e-4  # of activations rounded to 16 bits, relative to the largest of 32


def rows_input(x: NDArray[np.float32], dtype: str) -> tuple[dict[str, Array], F64]:
    """Activations [rows, width] as a matrix form's binding of `dtype` takes them, and the values that these mean."""
    if dtype == "f32x4":
        return {"x": pad(x)}, x.astype(np.float64)
    halves = x.astype(np.float16)
    return {"x": pad(halves)}, halves.astype(np.float64)


def scaled_input(x: NDArray[np.float32]) -> tuple[dict[str, Array], F64]:
    """Activations [rows, width] as halves with a power of two for every 32, and the values that these mean."""
    wide = pad(x)
    blocks = wide.reshape(len(x), -1, BLOCK)
    _, exponent = np.frexp(np.abs(blocks).max(-1))
    scale = np.ldexp(np.float32(1), exponent - 15)  # the largest of a block comes to 2^14..2^15
    halves = (blocks / scale[..., None]).astype(np.float16)
    meant = (halves.astype(np.float64) * scale[..., None]).reshape(wide.shape)
    return {"x": halves.reshape(wide.shape), "x_scale": scale}, meant[:, : x.shape[1]]


def beyond(live: Any, capacity: int) -> F64:
    """`live` [rows, n] and rows of NaN up to the bucket's capacity: nothing may be written there."""
    out = np.full((capacity, live.shape[1]), np.nan)
    out[: len(live)] = live
    return out


@dataclass(frozen=True)
class Shape:
    """`live` rows of activations in a bucket of `capacity`."""

    height: int
    width: int
    live: int
    capacity: int

    @property
    def params(self) -> Params:
        return Params(rows=self.live)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}.{self.live}of{self.capacity}"


def matvec_cuts(target: TargetSpec, matrix: Matrix, columns: int) -> list[Matvec]:
    """The cuts that the cases execute: one and several rows a subgroup; on a GPU those of its own tuning too."""
    # A wide row has many parts in the norm prologue, all unrolled: a small workgroup would keep lavapipe's compiler
    # busy for half a minute. So do many columns, which are cut in one way.
    sizes = [(2, 256)] if matrix.width > 1024 else [(2, 64)] if columns == MATVEC_COLUMNS else [(1, 32), (3, 64)]
    cuts = [Matvec(columns, rows, 32, workgroup) for rows, workgroup in sizes]
    return list(dict.fromkeys([*cuts, *([Matvec.tuned(target, matrix, columns)] if on_gpu(target) else [])]))


def gemv_cuts(target: TargetSpec, matrix: Matrix) -> list[Gemv]:
    """One and several rows a subgroup, fewer steps in flight than there are and more."""
    if not QUANTS[matrix.quant].scaled:
        return []
    cuts = [Gemv(2, 3, 24, 64), Gemv(1, 1, 32, 64)] if matrix.width <= 1024 else [Gemv(2, 3, 24, 256)]
    found = [*cuts, *([Gemv.tuned(target, matrix)] if on_gpu(target) else [])]
    return [cut for cut in found if cut.shared_bytes(matrix) <= target.shared_memory]


def tile_cuts(target: TargetSpec, matrix: Matrix) -> list[Tiles]:
    """Every operand type of the target, in the small tile of decode batches and the large one of prefill; on a GPU
    those of its own tuning too.
    """
    deep = [Tiles(32, 32, 4, 4, 64)] if matrix.width <= 1024 else []
    plain = [Tiles(32, 64, 4, 4), Tiles(64, 64, 8, 4), *deep]
    if not on_gpu(target):
        return plain
    wide, step = 128 // matrix.matrices, step_of(matrix.quant)
    cuts = (
        (32, wide // 2, 32, 16, 2 * step),
        (128, 64, 64, 16, step),
        (64, wide, 64, 32, step),
        (48, 32, 16, 32, step),
    )
    matrices = [
        Tiles(*cut, operand, target.subgroup, prefill=cut[0] > 32) for operand in operands(target)[1:] for cut in cuts
    ]
    if not matrix.gated:
        matrices += [
            replace(cut, splits=splits, prefill=False) for cut, splits in zip(matrices[1:3], (2, 3), strict=True)
        ]
    sizes = ((32, False), (prefill_rows(target), True))
    tuned = [tiles_tuned(target, matrix, *size, operand) for size in sizes for operand in operands(target)]
    shipped = direct_tuned(target, matrix, 32)
    part = 16 if matrix.gated else 32
    direct = Tiles(32, 64, 32, part, direct_step(matrix.quant), "f16", target.subgroup, prefill=False, direct=True)
    if "coopmat_mma" in target.features and direct_fits(matrix, direct):
        # Of 96 columns the subgroups share the rows of x unevenly.
        matrices += [direct, replace(direct, bn=96), *([] if matrix.gated else [replace(direct, bn=256, splits=2)])]
    tuned += [] if shipped is None else [shipped]
    return list(dict.fromkeys([*plain, *matrices, *(replace(cut, rows=PREFILL_ROWS) for cut in tuned)]))


def on_gpu(target: TargetSpec) -> bool:
    """Whether the cases are for a real GPU; `make test` is not to compile what lavapipe takes minutes for."""
    return target.subgroup >= 32


@dataclass(frozen=True)
class Outcome:
    """What a product must give from activations [live, width] and the dense matrices, and how its buffers are read."""

    expected: Mapping[str, Array]
    looser: Mapping[str, float] = field(default_factory=dict)  # bounds of outputs that are rounded on their way out
    arrays: Mapping[str, Array] = field(default_factory=dict)  # further inputs
    view: Callable[[Mapping[str, Array]], Mapping[str, Array]] = dict


Judge = Callable[[Matrix, Cut, Shape, F64, list[F64]], Outcome]


def product_rows(matrix: Matrix, cut: Cut, shape: Shape, x: F64, dense: list[F64]) -> Outcome:
    """The outcome of a plain product: out_rows = x w^T."""
    return Outcome({"out_rows": beyond(x @ dense[0].T, shape.capacity)})


def product_cases(
    target: TargetSpec,
    make: Callable[[Matrix, Cut], KernelSpec],
    sizes: Sequence[Matrix],
    *,
    fused: bool,
    loud: bool = False,
    quants: Sequence[str] = BODY_QUANTS,
    judge: Judge = product_rows,
) -> Iterator[Case]:
    """Every format, form and cut of a family over the matrices of `sizes` (their format is replaced; q6_k only where
    rows are whole blocks of it).

    `fused`: one row comes through the norm prologue. `loud`: the matrix forms get rows far outside of fp16's range.
    """
    if on_gpu(target):  # what the direct form takes, a gated one with a tail
        sizes = [*sizes, replace(sizes[0], height=80 if sizes[0].gated else 96, width=1024)]
    fitting = ((size, quant) for size in sizes for quant in quants if quant != "q6_k" or size.width % 256 == 0)
    for matrix in (replace(size, quant=quant) for size, quant in fitting):
        if matrix.quant == "q4_0":
            columns = (1, 8) if matrix.width > 1024 else (1, 3, 8)
        else:
            columns = (1,) if matrix.width > 1024 else (1, 8)
        for cut in (cut for count in columns for cut in matvec_cuts(target, matrix, count)):
            live, capacity = {1: (1, 1), 3: (2, 3), 8: (3, 8)}[cut.columns]
            yield _case(
                matrix,
                cut,
                make,
                Shape(matrix.height, matrix.width, live, capacity),
                fused and live == 1,
                loud,
                judge,
            )
        for cut in gemv_cuts(target, matrix):
            yield _case(matrix, cut, make, Shape(matrix.height, matrix.width, 1, 1), fused, loud, judge)
        for cut in tile_cuts(target, matrix):
            live, capacity = (35, 96) if matrix.width > 1024 else (131, 160)
            yield _case(matrix, cut, make, Shape(matrix.height, matrix.width, live, capacity), False, loud, judge)


def _case(
    matrix: Matrix,
    cut: Cut,
    make: Callable[[Matrix, Cut], KernelSpec],
    shape: Shape,
    fused: bool,
    loud: bool,
    judge: Judge,
) -> Case:
    draw = Draw.fresh()
    spec = make(matrix, replace(cut, rows=shape.capacity) if isinstance(cut, Tiles) else cut)
    weights, dense = draw.weights(matrix)
    if fused:
        inputs, residual, x = draw.norm_inputs(1, shape.width)
        bound = DOT_TOLERANCE if isinstance(cut, Gemv) else TOLERANCE["f32"]
    else:
        values = draw.normal(shape.live, shape.width)
        if isinstance(cut, Matvec):
            inputs, x = {"x": to_lanes(pad(values), QUANTS[matrix.quant].unit, 4)}, values.astype(np.float64)
            bound = TOLERANCE["f32"]
        else:
            if loud:
                values[::3] *= 1e6  # far outside of fp16's range
            if any(b.name == "x_scale" for b in spec.bindings):
                inputs, x = scaled_input(values)
            else:
                inputs, x = rows_input(values, next(b.dtype for b in spec.bindings if b.name == "x"))
            bound = DOT_TOLERANCE if isinstance(cut, Gemv) else TOLERANCE[cut.operand]
        residual = None
    outcome = judge(matrix, cut, shape, x, dense)
    expected = {**outcome.expected, **({} if residual is None else {"residual_out": residual})}
    counters = {b.name: np.zeros(b.nbytes() // 4, np.uint32) for b in spec.bindings if b.name == "arrived"}
    expected |= counters
    return Case(
        f"{spec.name}.{shape}.{'x'.join(str(n) for n in cut.sizes)}",
        spec,
        {
            **inputs,
            **weights,
            **counters,
            **{name: a for name, a in outcome.arrays.items() if any(b.name == name for b in spec.bindings)},
        },
        expected,
        shape.params,
        shape.capacity,
        {name: outcome.looser.get(name, bound) for name in expected},
        draw.seed,
        view=outcome.view,
    )
