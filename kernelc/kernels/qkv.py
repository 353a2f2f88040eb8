"""qkv: queries, keys and values of a layer in one product.

    out_rows[b][n] = sum over k of W[n][k] h[b][k];  out f32 [rows, qkv_rows]

Rows of W: all q heads, then all k heads, then all v heads.

One row: h is made by the norm prologue (post-FFN norm of the layer before, residual, input norm). More rows: h comes
from `norm`.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, KernelSpec
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
        return tiles(matrix, cut, reads=cut.normed)
    out = Binding("out_rows", "f32", ("rows", matrix.height), "w")
    if isinstance(cut, Gemv):
        return gemv(matrix, cut, norm_eps=norm_eps, outputs=[out])
    return matvec(matrix, cut, norm_eps=norm_eps if cut.columns == 1 else None, outputs=[out])


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("qkv", model.qkv_rows, model.hidden, buckets.quant)
    for cut in cuts(target, matrix, buckets.batch):
        yield spec(matrix, cut, norm_eps=model.norm_eps)
