"""The three forms of a product with a weight matrix, shared by the families that are one: matvec, tile, coopmat.

    matvec    1 to 8 rows: a subgroup computes a few rows of the matrix, every weight is read once (memory-bound)
    tile      more rows: tiles in shared memory, plain floats; runs anywhere
    coopmat   more rows: the same tiles through GL_KHR_cooperative_matrix

Weights are row-major [height, padded(width)] in the two planes of `kernelc.quant`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from kernelc.buckets import Buckets
from kernelc.kernel import ELEMENT_BYTES, Binding, Constant, Dim, KernelSpec, Value, Work, ceil_div, frozen
from kernelc.quant import BLOCK, QUANTS, Quant, padded
from kernelc.target import TargetSpec

MATVEC_COLUMNS = 8  # the most rows of activations that the matvec form takes
PREFILL_ROWS = 512  # tokens of a prefill chunk unless the target says otherwise
BASE = ("float16", "storage16", "int8", "subgroup")


@dataclass(frozen=True, slots=True)
class Matrix:
    """A product of a family: [rows, width] x [height, width]^T; two matrices of one shape if `gated`."""

    family: str
    height: int
    width: int
    quant: str
    gated: bool = False

    @property
    def format(self) -> Quant:
        return QUANTS[self.quant]

    @property
    def matrices(self) -> int:
        return 2 if self.gated else 1

    def work(self, rows: int, x_bytes: int, out_bytes: int) -> Work:
        """2 FLOPs a weight and row; each weight and each activation moved once."""
        weights = self.matrices * self.format.weight_bytes(self.height, self.width)
        return Work(
            rows, 2 * rows * self.matrices * self.height * self.width, weights + rows * x_bytes, rows * out_bytes
        )

    def weight_bindings(self, element: str = "u32x4") -> list[Binding]:
        """The planes of one matrix, or of both, with the integers as `element`."""
        per_row = padded(self.width) * self.format.bits // 32 // {"u32x2": 2, "u32x4": 4}[element]
        bindings: list[Binding] = []
        for name in ("w", "w_up")[: self.matrices]:
            bindings.append(Binding(name, element, (self.height, per_row)))
            if self.format.scaled:
                bindings.append(Binding(f"{name}_scale", "f16", (self.height, padded(self.width) // BLOCK)))
        return bindings


@dataclass(frozen=True, slots=True)
class Matvec:
    """How a matvec kernel is cut: `rows` of the matrix a subgroup at once, `rows_per_workgroup` in all, `workgroup` threads."""

    columns: int
    dot: bool
    rows: int
    rows_per_workgroup: int
    workgroup: int

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.columns, self.rows, self.rows_per_workgroup, self.workgroup)

    @staticmethod
    def tuned(target: TargetSpec, matrix: Matrix, columns: int, dot: bool) -> "Matvec":
        """The cut of a target: `<family>_workgroup`, `<family>_rows` and `<family>_rows_per_workgroup` of its [tune] table, with
        `_b8` behind them for more than one column; else one pass of four rows a subgroup, fewer where accumulators are many."""

        def tuned(what: str, default: int) -> int:
            return target.tune.get(f"{matrix.family}_{what}{'_b8' if columns > 1 else ''}", default)

        workgroup = tuned("workgroup", 256)
        rows = tuned("rows", max(1, 4 // matrix.matrices // (2 if columns > 1 else 1)))
        one_pass = workgroup // (target.subgroup or 32) * rows
        # A gated product that leaves as int8 needs whole blocks.
        return Matvec(columns, dot, rows, tuned("rows_per_workgroup", ceil_div(one_pass, BLOCK) * BLOCK), workgroup)


def norm_bindings(width: int) -> list[Binding]:
    """What the norm prologue reads and writes, f32: see templates/glsl/lib/norm.glsl."""
    quads = width // 4
    return [
        Binding("branch", "f32x4", ("rows", quads)),
        Binding("residual", "f32x4", ("rows", quads)),
        Binding("post_weight", "f32x4", (quads,)),
        Binding("pre_weight", "f32x4", (quads,)),
        Binding("residual_out", "f32x4", ("rows", quads), "w"),
    ]


def matvec(
    matrix: Matrix,
    cut: Matvec,
    *,
    norm_eps: float | None,
    outputs: list[Binding],
    params: dict[str, Value] | None = None,
) -> KernelSpec:
    """The matvec form. With `norm_eps` the norm prologue makes the activations (one column only); else they come in lanes layout."""
    if not 1 <= cut.columns <= MATVEC_COLUMNS:
        raise ValueError(f"{matrix.family}: {cut.columns} columns; the matvec form takes 1 to {MATVEC_COLUMNS}")
    width, unit = padded(matrix.width), matrix.format.unit
    if norm_eps is not None:
        inputs, x_bytes = norm_bindings(matrix.width), 3 * 4 * matrix.width
    elif cut.dot:
        inputs = [Binding("x", "u32x4", ("rows", width // 16)), Binding("x_scale", "f32x2", ("rows", width // BLOCK))]
        x_bytes = width + width // 4
    else:
        inputs, x_bytes = [Binding("x", "f32x4", ("rows", width // 4))], 4 * width
    out_bytes = sum(binding_row_bytes(b) for b in outputs)
    return KernelSpec(
        name=f"{matrix.family}.b{cut.columns}.{matrix.quant}{'.dot' if cut.dot else ''}",
        family=matrix.family,
        params=frozen(
            {
                "form": "matvec",
                "quant": matrix.quant,
                "unit": unit,
                "width": matrix.width,
                "padded": width,
                "height": matrix.height,
                "gated": matrix.gated,
                "columns": cut.columns,
                "dot": cut.dot,
                "prologue": "none" if norm_eps is None else "norm",
                "eps": norm_eps or 0.0,
                "rows_per_workgroup": cut.rows_per_workgroup,
                "quantized_out": False,
                "out_width": matrix.height,
                **(params or {}),
            }
        ),
        bindings=(Binding("params", "params", ()), *inputs, *matrix.weight_bindings(), *outputs),
        constants=(Constant("ROWS", cut.rows),),
        workgroup=cut.workgroup,
        grid=(Dim(ceil_div(matrix.height, cut.rows_per_workgroup)), Dim(), Dim()),
        work=matrix.work(cut.columns, x_bytes, out_bytes),
        requires=(*BASE, *(("integer_dot",) if cut.dot else ())),
        tags=frozen({"role": "decode", "batch": cut.columns, "quant": matrix.quant, "form": "matvec", "dot": cut.dot}),
    )


@dataclass(frozen=True, slots=True)
class Tiles:
    """A tile of bm x bn results a workgroup; tm x tn a thread (tile) or wm x wn a subgroup of `subgroup` lanes (coopmat)."""

    bm: int
    bn: int
    m: int
    n: int
    operand: str = "f32"  # f32: plain tiles; f16, bf16: cooperative matrices
    subgroup: int = 32

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.bm, self.bn, self.m, self.n)

    @property
    def coopmat(self) -> bool:
        return self.operand != "f32"

    @property
    def workgroup(self) -> int:
        return (self.bm // self.m) * (self.bn // self.n) * (self.subgroup if self.coopmat else 1)


def tiles(
    matrix: Matrix, cut: Tiles, *, rows: int, x_type: str, role: str, params: dict[str, Value] | None = None
) -> KernelSpec:
    """The tile and coopmat forms for up to `rows` rows. x is row-major [rows, padded(width)], `x_type` f16 or f32.

    Only a gated product writes `row_max` (the largest magnitude of each row, as float bits); only f16 cooperative matrices
    with f32 activations read it, to bring a row into the range of halves.
    """
    width = padded(matrix.width)
    out_width = padded(matrix.height) if matrix.gated else matrix.height
    scaled = x_type == "f32" and cut.operand == "f16"
    x = Binding("x", "f32x4", ("rows", width // 4)) if x_type == "f32" else Binding("x", "u32x4", ("rows", width // 8))
    maxima = [Binding("row_max", "u32", ("rows",), "rw" if matrix.gated else "r")] if matrix.gated or scaled else []
    form: dict[str, Value] = {
        "form": "coopmat",
        "wm": cut.m,
        "wn": cut.n,
        "operand": cut.operand,
        "subgroup": cut.subgroup,
    }
    plain: dict[str, Value] = {"form": "tile", "tm": cut.m, "tn": cut.n}
    needs = {"f32": (), "f16": ("coopmat_f16", "memory_model"), "bf16": ("coopmat_bf16", "bfloat16", "memory_model")}
    return KernelSpec(
        name=f"{matrix.family}.{role}.{matrix.quant}.{form['form'] if cut.coopmat else plain['form']}{'_bf16' if cut.operand == 'bf16' else ''}",
        family=matrix.family,
        params=frozen(
            {
                "quant": matrix.quant,
                "unit": matrix.format.unit,
                "width": matrix.width,
                "padded": width,
                "height": matrix.height,
                "out_width": out_width,
                "gated": matrix.gated,
                "x_type": x_type,
                "bm": cut.bm,
                "bn": cut.bn,
                **(form if cut.coopmat else plain),
                **(params or {}),
            }
        ),
        bindings=(
            Binding("params", "params", ()),
            x,
            *maxima,
            *matrix.weight_bindings("u32x2" if matrix.quant == "q4_0" else "u32x4"),
            Binding("out_rows", "f32", ("rows", out_width), "w"),
        ),
        workgroup=cut.workgroup,
        grid=(Dim(of="rows", per=cut.bm), Dim(ceil_div(out_width, cut.bn)), Dim()),
        work=matrix.work(rows, width * (4 if x_type == "f32" else 2), 4 * out_width),
        requires=(*BASE, *needs[cut.operand]),
        subgroup=cut.subgroup if cut.coopmat else 0,
        tags=frozen(
            {
                "role": role,
                "rows": rows,
                "quant": matrix.quant,
                "form": "coopmat" if cut.coopmat else "tile",
                "operand": cut.operand,
            }
        ),
    )


def tiles_tuned(target: TargetSpec, matrix: Matrix, rows: int, operand: str) -> Tiles:
    """The tile of a target for a bucket of `rows` rows: `coopmat_bm`, `_bn`, `_wm`, `_wn` of its [tune] table, with `_short` behind
    them for up to 32 rows and `_gated` for a gated product, which holds two tiles of weights and twice the accumulators."""
    short = rows <= 32
    if operand == "f32":
        return Tiles(32, 64, 4, 4) if short else Tiles(64, 64, 8, 4)
    suffix = ("_short" if short else "") + ("_gated" if matrix.gated else "")
    defaults = (32, 64, 32, 16) if short else (128, 64, 32, 32) if matrix.gated else (128, 128, 64, 32)
    sides = (
        target.tune.get(f"coopmat_{side}{suffix}", n)
        for side, n in zip(("bm", "bn", "wm", "wn"), defaults, strict=True)
    )
    bm, bn, wm, wn = sides
    return Tiles(bm, bn, wm, wn, operand, target.subgroup)


def operands(target: TargetSpec) -> tuple[str, ...]:
    """The operand types that a target has matrix forms for; plain floats always."""
    return ("f32", *(o for o in ("f16", "bf16") if f"coopmat_{o}" in target.features))


def forms(
    target: TargetSpec,
    matrix: Matrix,
    buckets: Buckets,
    as_matvec: Callable[[int, bool], KernelSpec],
    as_tiles: Callable[[Tiles, int, str], KernelSpec],
    *,
    prefill: bool = True,
) -> Iterator[KernelSpec]:
    """Every form that a bundle needs of one product: matvec for batches up to 8 (with integer dots too where the target has them),
    tiles for larger ones and for prefill, plain and with cooperative matrices where the target has them."""
    for batch in buckets.batch:
        if batch <= MATVEC_COLUMNS:
            yield as_matvec(batch, False)
            if dot_pays(target, matrix):
                yield as_matvec(batch, True)
    buckets_rows = [(batch, f"b{batch}") for batch in buckets.batch if batch > MATVEC_COLUMNS]
    if prefill:
        buckets_rows.append((target.tune.get("prefill_rows", PREFILL_ROWS), "prefill"))
    for rows, role in buckets_rows:
        for operand in operands(target):
            yield as_tiles(tiles_tuned(target, matrix, rows, operand), rows, role)


def dot_pays(target: TargetSpec, matrix: Matrix) -> bool:
    """Integer dots unpack four weights an instruction; weights of 16 bits have nothing to unpack."""
    return "integer_dot" in target.features and matrix.format.scaled


def binding_row_bytes(binding: Binding) -> int:
    """Bytes that one row of a buffer takes (0 for one that does not grow with the rows)."""
    if "rows" not in binding.shape:
        return 0
    return prod(n for n in binding.shape if isinstance(n, int)) * ELEMENT_BYTES[binding.dtype]
