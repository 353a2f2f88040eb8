"""The tile, coopmat and direct forms: templates/glsl/lib/{tile,coopmat,direct}.glsl."""

from dataclasses import dataclass
from typing import Literal

from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Value, ceil_div, frozen, tags
from kernelc.product.matrix import Matrix, row_bytes
from kernelc.target import TargetSpec
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
    each with its part of K. `direct`: the form whose weights go past shared memory, f16 alone, in steps of
    `direct_step`. For up to `rows` rows: a batch's, or a chunk's of `prefill`.
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
    direct: bool = False

    @property
    def form(self) -> Literal["tile", "coopmat", "direct"]:
        return "direct" if self.direct else "coopmat" if self.coopmat else "tile"

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


def direct_step(quant: str) -> int:
    """K of a step of the direct form: four lanes take sixteen bytes each of a row of weights."""
    return 4 * QUANTS[quant].unit


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
    if cut.direct and not direct_fits(matrix, cut):
        raise ValueError(f"{matrix.family}: {matrix.height} x {matrix.width} in {matrix.quant} has no direct form")
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
    matrices = ("float16", "memory_model", "subgroup")
    needs = {
        "f32": (),
        "f16": (*(("coopmat_mma",) if cut.direct else ()), "coopmat_f16", *matrices),
        "bf16": ("coopmat_bf16", "bfloat16", *matrices),
    }
    sort = "prefill" if cut.prefill else f"b{cut.rows}"
    return KernelSpec(
        name=f"{matrix.family}.{sort}.{matrix.quant}.{cut.form}{'_bf16' * (cut.operand == 'bf16')}",
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
                "form": cut.form,
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
        requires=(*(matrix.scale_features if cut.direct else matrix.unpacking), *needs[cut.operand]),
        subgroup=cut.subgroup if cut.coopmat else 0,
        nonprivate=tuple(binding.name for binding in parts) if cut.splits > 1 else (),
        tags=tags(
            "prefill" if cut.prefill else "decode",
            rows=cut.rows,
            form=cut.form,
            quant=matrix.quant,
            math=cut.operand,
            reads=reads,
            writes="rows_scaled" if cut.coopmat and matrix.gated else writes,
        ),
    )


def direct_fits(matrix: Matrix, cut: Tiles) -> bool:
    """Whether a matrix is whole parts of subgroups of 32, and pairs of steps in each split, with a scale for every 32
    weights.
    """
    whole = padded(matrix.width) % (2 * cut.bk * cut.splits) == 0 == matrix.height % cut.n
    return whole and matrix.format.group == BLOCK and cut.bk == direct_step(matrix.quant) and cut.subgroup == 32


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
