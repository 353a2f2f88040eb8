"""head: logits over the vocabulary, and each workgroup's best token.

    out_rows[b][n] = sum over k of E[n][k] h[b][k];  E the tied embedding, out f32 [rows, vocab]

One row: h is made by the norm prologue (post-FFN norm of the last layer, residual, final norm). The matvec form also
writes best u32x2 [rows, workgroups]: the bits of the largest logit among the workgroup's rows and its token id, for
`argmax`.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, KernelSpec, ceil_div
from kernelc.model import ModelSpec
from kernelc.product.forms import forms
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import Matvec, matvec
from kernelc.product.tiles import Tiles, tiles
from kernelc.target import TargetSpec


def spec(matrix: Matrix, cut: Matvec | Tiles, *, norm_eps: float, rows: int = 1, role: str = "prefill") -> KernelSpec:
    """One kernel: a Matvec cut gives the matvec form, a Tiles cut the matrix form for `rows` rows."""
    if isinstance(cut, Tiles):
        return tiles(matrix, cut, rows=rows, x_type="f16", role=role)
    workgroups = ceil_div(matrix.height, cut.rows_per_workgroup)
    outputs = [
        Binding("out_rows", "f32", ("rows", matrix.height), "w"),
        Binding("best", "u32x2", ("rows", workgroups), "w"),
    ]
    return matvec(matrix, cut, norm_eps=norm_eps if cut.columns == 1 else None, outputs=outputs)


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("head", model.vocab, model.hidden, buckets.quant)
    yield from forms(
        target,
        matrix,
        buckets,
        lambda columns, dot: spec(matrix, Matvec.tuned(target, matrix, columns, dot), norm_eps=model.norm_eps),
        lambda cut, rows, role: spec(matrix, cut, norm_eps=model.norm_eps, rows=rows, role=role),
        prefill=False,
    )
