"""The gemv form, for one row of activations: templates/glsl/lib/gemv.glsl."""

from dataclasses import dataclass

from kernelc.kernel import Binding, Constant, Dim, KernelSpec, Layout, Value, ceil_div, frozen, tags
from kernelc.product.matrix import Matrix, row_bytes, row_inputs, row_params
from kernelc.target import TargetSpec
from kernelrt.quant import BLOCK, padded


def needs(matrix: Matrix) -> tuple[str, ...]:
    """The features that the form takes."""
    halves = ("float16",) if matrix.format.scale_dtype == "f16" else ()
    return ("subgroup", "integer_dot", *halves, *matrix.scale_features)


@dataclass(frozen=True, slots=True)
class Gemv:
    """How a gemv kernel is cut: `rows` of the matrix a subgroup at once, the weights of `depth` steps in flight,
    `rows_per_workgroup` in all, `workgroup` threads in subgroups of `subgroup` lanes (0: any).
    """

    rows: int
    depth: int
    rows_per_workgroup: int
    workgroup: int
    subgroup: int = 0

    @property
    def columns(self) -> int:
        return 1

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.rows, self.depth, self.rows_per_workgroup, self.workgroup)

    @staticmethod
    def tuned(target: TargetSpec, matrix: Matrix) -> "Gemv":
        """The cut of a target: `<family>_rows`, `_depth`, `_rows_per_workgroup` and `_workgroup` of its [tune]
        table.
        """

        def tuned(what: str, default: int) -> int:
            return target.tune.get(f"{matrix.family}_{what}", default)

        rows = tuned("rows", 1)
        return Gemv(
            rows,
            tuned("depth", 3),
            tuned("rows_per_workgroup", 64),
            tuned("workgroup", 256),
            target.pinned_subgroup,
        )

    def shared_bytes(self, matrix: Matrix) -> int:
        """Shared memory that the form takes at the least: 16-bit activations, scale and sum of each block of them, and
        the rows' sums.
        """
        width = padded(matrix.width)
        return 2 * width + 8 * width // BLOCK + 4 * matrix.matrices * self.rows_per_workgroup


def gemv(
    matrix: Matrix,
    cut: Gemv,
    *,
    norm_eps: float | None,
    outputs: list[Binding],
    writes: Layout = "rows_f32",
    params: dict[str, Value] | None = None,
) -> KernelSpec:
    """The gemv form. With `norm_eps` the norm prologue makes the activations; else they are a row x f32
    [1, padded(width)] in memory.
    """
    inputs, x_bytes = row_inputs(matrix, norm_eps is not None)
    out_bytes = sum(row_bytes(b) for b in (*inputs, *outputs) if b.access == "w")
    return KernelSpec(
        name=f"{matrix.family}.b1.{matrix.quant}",
        family=matrix.family,
        params=frozen(
            {
                "form": "gemv",
                **row_params(matrix, norm_eps, cut.rows_per_workgroup),
                "scale_type": matrix.format.scale_dtype,
                "subgroup": cut.subgroup,
                "out_width": padded(matrix.height) if matrix.gated else matrix.height,
                **(params or {}),
            }
        ),
        bindings=(Binding("params", "params", ()), *inputs, *matrix.weight_bindings(), *outputs),
        constants=(Constant("ROWS", cut.rows), Constant("DEPTH", cut.depth)),
        workgroup=cut.workgroup,
        grid=(Dim(ceil_div(matrix.height, cut.rows_per_workgroup)), Dim(), Dim()),
        work=matrix.work(1, x_bytes, out_bytes),
        requires=needs(matrix),
        subgroup=cut.subgroup,
        tags=tags(
            "decode",
            rows=1,
            form="gemv",
            quant=matrix.quant,
            math="int16",
            reads="stretch" if norm_eps is not None else "rows_f32",
            writes=writes,
        ),
    )
