"""The matvec form: templates/glsl/lib/matvec.glsl."""

from dataclasses import dataclass

from kernelc.kernel import Binding, Constant, Dim, KernelSpec, Layout, Value, ceil_div, frozen, tags
from kernelc.product.matrix import Matrix, row_bytes, row_inputs, row_params
from kernelc.target import TargetSpec
from kernelrt.quant import BLOCK

MATVEC_COLUMNS = 8  # the most rows of activations that this form takes


@dataclass(frozen=True, slots=True)
class Matvec:
    """How a matvec kernel is cut: `rows` of the matrix a subgroup at once, `rows_per_workgroup` in all, `workgroup`
    threads.
    """

    columns: int
    rows: int
    rows_per_workgroup: int
    workgroup: int

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.columns, self.rows, self.rows_per_workgroup, self.workgroup)

    @staticmethod
    def tuned(target: TargetSpec, matrix: Matrix, columns: int) -> "Matvec":
        """The cut of a target: `<family>_workgroup`, `<family>_rows` and `<family>_rows_per_workgroup` of its [tune]
        table, with `_b8` behind them for more than one column; else one pass of four rows a subgroup, fewer where
        accumulators are many.
        """

        def tuned(what: str, default: int) -> int:
            return target.tune.get(f"{matrix.family}_{what}{'_b8' if columns > 1 else ''}", default)

        workgroup = tuned("workgroup", 256)
        rows = tuned("rows", max(1, 4 // matrix.matrices // (2 if columns > 1 else 1)))
        one_pass = workgroup // (target.subgroup or 32) * rows
        return Matvec(columns, rows, tuned("rows_per_workgroup", ceil_div(one_pass, BLOCK) * BLOCK), workgroup)


def matvec(
    matrix: Matrix,
    cut: Matvec,
    *,
    norm_eps: float | None,
    outputs: list[Binding],
    writes: Layout = "rows_f32",
    params: dict[str, Value] | None = None,
) -> KernelSpec:
    """The matvec form. With `norm_eps` the norm prologue makes the activations (one column only); else they come in
    lanes layout.
    """
    if not 1 <= cut.columns <= MATVEC_COLUMNS:
        raise ValueError(f"{matrix.family}: {cut.columns} columns; the matvec form takes 1 to {MATVEC_COLUMNS}")
    inputs, x_bytes = row_inputs(matrix, norm_eps is not None)
    out_bytes = sum(row_bytes(b) for b in (*inputs, *outputs) if b.access == "w")
    return KernelSpec(
        name=f"{matrix.family}.b{cut.columns}.{matrix.quant}",
        family=matrix.family,
        params=frozen(
            {
                "form": "matvec",
                **row_params(matrix, norm_eps, cut.rows_per_workgroup),
                "columns": cut.columns,
                "out_width": matrix.height,
                **(params or {}),
            }
        ),
        bindings=(Binding("params", "params", ()), *inputs, *matrix.weight_bindings(), *outputs),
        constants=(Constant("ROWS", cut.rows),),
        workgroup=cut.workgroup,
        grid=(Dim(ceil_div(matrix.height, cut.rows_per_workgroup)), Dim(), Dim()),
        work=matrix.work(cut.columns, x_bytes, out_bytes),
        requires=("subgroup", *matrix.unpacking),
        tags=tags(
            "decode",
            rows=cut.columns,
            form="matvec",
            quant=matrix.quant,
            math="f32",
            reads="stretch" if norm_eps is not None else "lanes_f32",
            writes=writes,
        ),
    )
