"""The tile and coopmat forms: templates/glsl/lib/{tile,coopmat,tile_load}.glsl."""

from dataclasses import dataclass, replace
from typing import Literal

from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Value, ceil_div, frozen, tags
from kernelc.product.matrix import Matrix
from kernelc.target import TargetSpec
from kernelrt.errors import InputError
from kernelrt.quant import padded

MATRIX_EDGE = 16  # of a cooperative matrix
PREFILL_ROWS = 512  # tokens of a prefill chunk unless the target says otherwise
Operand = Literal["f32", "f16", "bf16"]
RowLayout = Literal["rows_f32", "rows_f16"]


@dataclass(frozen=True, slots=True)
class Tiles:
    """A tile of bm x bn results a workgroup, m x n of them a thread (tile) or a subgroup of `subgroup` lanes (coopmat).

    It goes through K in steps of bk (whole blocks of 32). `operand` is f32 for plain tiles, else the type of the
    cooperative matrices' operands, f16 or bf16. For up to `rows` rows: a batch's, or a chunk's of `prefill`.
    """

    bm: int
    bn: int
    m: int
    n: int
    bk: int = 32
    operand: Operand = "f32"
    subgroup: int = 32
    rows: int = PREFILL_ROWS
    prefill: bool = True

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.bm, self.bn, self.m, self.n, self.bk)

    @property
    def coopmat(self) -> bool:
        return self.operand != "f32"

    @property
    def normed(self) -> RowLayout:
        """How activations come from a norm: floats for plain tiles, for which halves would save nothing."""
        return "rows_f16" if self.coopmat else "rows_f32"

    @property
    def workgroup(self) -> int:
        return (self.bm // self.m) * (self.bn // self.n) * (self.subgroup if self.coopmat else 1)


def tiles(
    matrix: Matrix,
    cut: Tiles,
    *,
    reads: RowLayout,
    writes: Layout = "rows_f32",
    params: dict[str, Value] | None = None,
) -> KernelSpec:
    """The tile and coopmat forms. x is row-major [rows, padded(width)], in halves or floats as `reads` says.

    Only a gated product writes `row_max` (the largest magnitude of each row, as float bits); only f16 cooperative
    matrices with f32 activations read it, to bring a row into the range of halves.
    """
    width = padded(matrix.width)
    out_width = padded(matrix.height) if matrix.gated else matrix.height
    floats = reads == "rows_f32"
    scaled = floats and cut.operand == "f16"
    x = Binding("x", "f32x4", ("rows", width // 4)) if floats else Binding("x", "u32x4", ("rows", width // 8))
    maxima = [Binding("row_max", "u32", ("rows",), "rw" if matrix.gated else "r")] if matrix.gated or scaled else []
    lanes: dict[str, Value] = {"wm": cut.m, "wn": cut.n, "operand": cut.operand, "subgroup": cut.subgroup}
    threads: dict[str, Value] = {"tm": cut.m, "tn": cut.n}
    form = "coopmat" if cut.coopmat else "tile"
    matrices = ("float16", "memory_model", "subgroup")
    needs = {"f32": (), "f16": ("coopmat_f16", *matrices), "bf16": ("coopmat_bf16", "bfloat16", *matrices)}
    sort = "prefill" if cut.prefill else f"b{cut.rows}"
    return KernelSpec(
        name=f"{matrix.family}.{sort}.{matrix.quant}.{form}{'_bf16' * (cut.operand == 'bf16')}",
        family=matrix.family,
        params=frozen(
            {
                "quant": matrix.quant,
                "group": matrix.format.group,
                "width": matrix.width,
                "padded": width,
                "height": matrix.height,
                "out_width": out_width,
                "gated": matrix.gated,
                "x_type": "f32" if floats else "f16",
                "bm": cut.bm,
                "bn": cut.bn,
                "form": form,
                "bk": cut.bk,
                **(lanes if cut.coopmat else threads),
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
        work=matrix.work(cut.rows, width * (4 if floats else 2), 4 * out_width),
        requires=(*matrix.unpacking, *needs[cut.operand]),
        subgroup=cut.subgroup if cut.coopmat else 0,
        tags=tags(
            "prefill" if cut.prefill else "decode",
            rows=cut.rows,
            form="coopmat" if cut.coopmat else "tile",
            quant=matrix.quant,
            math=cut.operand,
            reads=reads,
            writes=writes,
        ),
    )


def tiles_tuned(target: TargetSpec, matrix: Matrix, rows: int, prefill: bool, operand: Operand) -> Tiles:
    """The tile of a target for a bucket of `rows` rows.

    Cooperative matrices: `coopmat_bm`, `_bn`, `_m`, `_n`, `_bk` of its [tune] table, with `_short` behind for up to
    32 rows and `_gated` for a gated product, which holds two tiles of weights and twice the accumulators.
    """
    short = rows <= 32
    if operand == "f32":
        plain = Tiles(32, 64, 4, 4) if short else Tiles(64, 64, 8, 4)
        return replace(plain, rows=rows, prefill=prefill)
    # Few rows are bound by latency, so that a step takes much of K; many rows by arithmetic.
    if short:
        default = (32, 64, 32, 16, 32 if matrix.gated else 128)
    else:
        default = (128, 64, 32, 32, 32) if matrix.gated else (128, 128, 64, 32, 32)
    suffix = "_short" * short + "_gated" * matrix.gated
    sides = zip(("bm", "bn", "m", "n", "bk"), default, strict=True)
    bm, bn, m, n, bk = (target.tune.get(f"coopmat_{side}{suffix}", size) for side, size in sides)
    cut = Tiles(bm, bn, m, n, bk, operand, target.subgroup, rows, prefill)
    _check(target, cut, suffix)
    return cut


def _check(target: TargetSpec, cut: Tiles, suffix: str) -> None:
    """Raises InputError for a cut that no kernel can have, naming the sizes of the [tune] table that make it."""
    if cut.subgroup < MATRIX_EDGE:
        raise InputError(
            f"target {target.name}: subgroup: {cut.subgroup} is below {MATRIX_EDGE}, the least that its cooperative "
            "matrices work with"
        )
    for side, whole, part in (("m", cut.bm, cut.m), ("n", cut.bn, cut.n)):
        if whole % part:
            name = f"tune.coopmat_{side}{suffix}"
            raise InputError(f"target {target.name}: {name}: {part} does not divide coopmat_b{side}{suffix}, {whole}")
    if cut.workgroup > target.max_workgroup:
        raise InputError(
            f"target {target.name}: tune.coopmat_bm{suffix}: {cut.bm} x {cut.bn} in parts of {cut.m} x {cut.n} makes "
            f"workgroups of {cut.workgroup}, above max_workgroup {target.max_workgroup}"
        )


def operands(target: TargetSpec) -> tuple[Operand, ...]:
    """The operand types that a target has matrix forms for; plain floats always."""
    coopmat: tuple[Operand, ...] = ("f16", "bf16")
    return ("f32", *(operand for operand in coopmat if f"coopmat_{operand}" in target.features))


def row_layouts(target: TargetSpec) -> tuple[RowLayout, ...]:
    """The layouts that a norm leaves for the matrix forms of a target."""
    return ("rows_f32", "rows_f16") if len(operands(target)) > 1 else ("rows_f32",)


def prefill_rows(target: TargetSpec) -> int:
    """Tokens of a prefill chunk."""
    return target.tune.get("prefill_rows", PREFILL_ROWS)
