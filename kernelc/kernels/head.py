"""head: logits over the vocabulary, and each workgroup's best token.

    out_rows[b][n] = sum over k of E[n][k] h[b][k];  E the tied embedding, out f32 [rows, vocab]

One row: h is made by the norm prologue (post-FFN norm of the last layer, residual, final norm). The gemv and matvec
forms also write best u32x2 [rows, workgroups]: the bits of the largest logit among the workgroup's rows and its token
id, for `argmax`.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, KernelSpec, ceil_div
from kernelc.product.forms import Cut, cuts
from kernelc.product.gemv import Gemv, gemv
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import matvec
from kernelc.product.tiles import Tiles, tiles
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(matrix: Matrix, cut: Cut, *, norm_eps: float) -> KernelSpec:
    """One kernel, of the form that `cut` is for."""
    if isinstance(cut, Tiles):
        return tiles(matrix, cut, reads=cut.normed, writes="logits")
    workgroups = ceil_div(matrix.height, cut.rows_per_workgroup)
    outputs = [
        Binding("out_rows", "f32", ("rows", matrix.height), "w"),
        Binding("best", "u32x2", ("rows", workgroups), "w"),
    ]
    if isinstance(cut, Gemv):
        return gemv(matrix, cut, norm_eps=norm_eps, outputs=outputs, writes="partials")
    norm = norm_eps if cut.columns == 1 else None
    return matvec(matrix, cut, norm_eps=norm, outputs=outputs, writes="partials")


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """Those of the batches, and that of one row in any case: a prompt's end needs it."""
    matrix = Matrix("head", model.vocab, model.hidden, buckets.embedding)
    for cut in cuts(target, matrix, tuple(sorted({1, *buckets.batch})), prefill=False):
        yield spec(matrix, cut, norm_eps=model.norm_eps)
