"""The tile and coopmat forms: templates/glsl/lib/{tile,coopmat,tile_load}.glsl."""

from dataclasses import dataclass, replace
from typing import Literal

from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Value, ceil_div, frozen, tags
from kernelc.product.matrix import Matrix, row_bytes
from kernelc.target import TargetSpec
from kernelrt.errors import InputError
from kernelrt.quant import BLOCK, QUANTS, padded

MATRIX_EDGE = 16  # of a cooperative matrix
PREFILL_ROWS = 512  # tokens of a prefill chunk unless the target says otherwise
Operand = Literal["f32", "f16", "bf16"]
RowLayout = Literal["rows_f32", "rows_f16", "rows_scaled"]


@dataclass(frozen=True, slots=True)
class Tiles:
    """A tile of bm x bn results a workgroup, m x n of them a thread (tile) or a subgroup of `subgroup` lanes (coopmat).

    It goes through K in steps of bk (whole blocks of 32; coopmat: whole steps of `step_of`). `operand` is f32 for plain
    tiles, else the type of the cooperative matrices' operands, f16 or bf16; there `splits` workgroups share a tile,
    each with its part of K. For up to `rows` rows: a batch's, or a chunk's of `prefill`.
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
    splits: int = 1

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.bm, self.bn, self.m, self.n, self.bk, self.splits)

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


def step_of(quant: str) -> int:
    """K of a coopmat step: one matrix of 16-bit words, which holds as many weights as their bits allow; at least the
    32 that weights of all formats come in.
    """
    return max(BLOCK, MATRIX_EDGE * _packed(quant))


def _packed(quant: str) -> int:
    """Weights in a word of 16 bits."""
    return 16 // QUANTS[quant].bits


def tiles(
    matrix: Matrix,
    cut: Tiles,
    *,
    reads: RowLayout,
    writes: Layout = "rows_f32",
    params: dict[str, Value] | None = None,
) -> KernelSpec:
    """The tile and coopmat forms. x is row-major [rows, padded(width)]: floats for tile, halves for coopmat, which may
    have a scale for every 32 (`reads`); so leave a gated product's results, and a plain product's always as floats.

    Only a gated product writes `row_max` (the largest magnitude of each row, as float bits); only f16 cooperative
    matrices with scaled activations read it, to bring a row as a whole into the range of halves. With splits,
    `arrived` must be zero before the first dispatch and is zero after each.
    """
    if cut.coopmat and cut.bk % step_of(matrix.quant):
        raise ValueError(f"{matrix.family}: steps of {cut.bk} are no whole matrices of {matrix.quant} words")
    if cut.coopmat and matrix.gated and cut.bn % BLOCK:
        raise ValueError(f"{matrix.family}: {cut.bn} results of a row have no whole blocks of {BLOCK} to scale")
    if cut.splits > 1 and matrix.gated:
        raise ValueError(
            f"{matrix.family}: {cut.splits} splits of a gated product, whose sums become one in a workgroup"
        )
    width = padded(matrix.width)
    out_width = padded(matrix.height) if matrix.gated else matrix.height
    down, across = ceil_div(cut.rows, cut.bm), ceil_div(out_width, cut.bn)
    floats, scaled = reads == "rows_f32", reads == "rows_scaled"
    inputs = [Binding("x", "f32x4", ("rows", width // 4)) if floats else Binding("x", "u32x4", ("rows", width // 8))]
    if scaled:
        inputs.append(Binding("x_scale", "f32", ("rows", width // BLOCK)))
    if matrix.gated or (scaled and cut.operand == "f16"):
        inputs.append(Binding("row_max", "u32", ("rows",), "rw" if matrix.gated else "r"))
    sums = (cut.splits, down * cut.bm, across * cut.bn // 4)
    parts = [Binding("partial", "f32x4", sums, "rw"), Binding("arrived", "u32", (across, down), "rw")]
    if cut.coopmat and matrix.gated:
        halves = Binding("out_halves", "u32x4", ("rows", out_width // 8), "w")
        outputs = [halves, Binding("out_scale", "f32", ("rows", out_width // BLOCK), "w")]
    elif cut.coopmat and out_width % 4 == 0:
        outputs = [Binding("out_rows", "f32x4", ("rows", out_width // 4), "w")]
    else:
        outputs = [Binding("out_rows", "f32", ("rows", out_width), "w")]
    lanes: dict[str, Value] = {
        "wm": cut.m,
        "wn": cut.n,
        "operand": cut.operand,
        "subgroup": cut.subgroup,
        "pack": _packed(matrix.quant),
        "splits": cut.splits,
        "part_rows": down * cut.bm,
        "part_width": across * cut.bn,
    }
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
                "bits": matrix.format.bits,
                "group": matrix.format.group,
                "width": matrix.width,
                "padded": width,
                "height": matrix.height,
                "out_width": out_width,
                "gated": matrix.gated,
                "x_type": {"rows_f32": "f32", "rows_f16": "f16", "rows_scaled": "scaled"}[reads],
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
            *inputs,
            *matrix.weight_bindings("u32x2" if matrix.quant == "q4_0" and not cut.coopmat else "u32x4"),
            *(parts if cut.splits > 1 else []),
            *outputs,
        ),
        workgroup=cut.workgroup,
        grid=(Dim(of="rows", per=cut.bm), Dim(across), Dim(cut.splits)),
        work=matrix.work(
            cut.rows,
            sum(row_bytes(b) for b in inputs if b.access == "r"),
            sum(row_bytes(b) for b in outputs),
        ),
        requires=(*matrix.unpacking, *needs[cut.operand]),
        subgroup=cut.subgroup if cut.coopmat else 0,
        nonprivate=tuple(binding.name for binding in parts) if cut.splits > 1 else (),
        tags=tags(
            "prefill" if cut.prefill else "decode",
            rows=cut.rows,
            form="coopmat" if cut.coopmat else "tile",
            quant=matrix.quant,
            math=cut.operand,
            reads=reads,
            writes="rows_scaled" if cut.coopmat and matrix.gated else writes,
        ),
    )


def tiles_tuned(target: TargetSpec, matrix: Matrix, rows: int, prefill: bool, operand: Operand) -> Tiles:
    """The tile of a target for a bucket of `rows` rows.

    Cooperative matrices: `<family>_coopmat_bm`, `_bn`, `_m`, `_n` and `_splits` of its [tune] table, with `_short`
    behind for up to 32 rows.
    """
    short = rows <= 32

    def tuned(what: str, default: int) -> int:
        return target.tune.get(f"{matrix.family}_coopmat_{what}{'_short' * short}", default)

    if operand == "f32":
        plain = Tiles(32, 64, 4, 4) if short else Tiles(64, 64, 8, 4)
        return replace(plain, rows=rows, prefill=prefill)
    # A gated product has two tiles of weights and twice the sums.
    if short:
        default = (32, 64, 32, 16) if matrix.gated else (32, 128, 32, 32)
    else:
        default = (64, 64, 64, 16) if matrix.gated else (64, 128, 64, 32)
    bm, bn, m, n = (tuned(side, size) for side, size in zip(("bm", "bn", "m", "n"), default, strict=True))
    cut = Tiles(
        bm,
        bn,
        m,
        n,
        step_of(matrix.quant),
        operand,
        target.subgroup,
        rows,
        prefill,
        1 if matrix.gated else tuned("splits", 1),
    )
    _check(target, f"{matrix.family}_coopmat", cut, "_short" * short)
    return cut


def _check(target: TargetSpec, name: str, cut: Tiles, suffix: str) -> None:
    """Raises InputError for a cut that no kernel can have, naming the sizes of the [tune] table that make it."""
    where = f"target {target.name}"
    if cut.subgroup < MATRIX_EDGE:
        raise InputError(
            f"{where}: subgroup: {cut.subgroup} is below {MATRIX_EDGE}, the least that its cooperative matrices work "
            "with"
        )
    for side, whole, part in (("m", cut.bm, cut.m), ("n", cut.bn, cut.n)):
        if whole % part:
            raise InputError(
                f"{where}: tune.{name}_{side}{suffix}: {part} does not divide {name}_b{side}{suffix}, {whole}"
            )
    if cut.workgroup > target.max_workgroup:
        raise InputError(
            f"{where}: tune.{name}_bm{suffix}: {cut.bm} x {cut.bn} in parts of {cut.m} x {cut.n} makes workgroups of "
            f"{cut.workgroup}, above max_workgroup {target.max_workgroup}"
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
