"""o_proj: the attention's output projection.

    out_rows[b][n] = sum over k of W[n][k] a[b][k];  a the heads' outputs side by side, out f32 [rows, hidden]

`attn_decode` has merged its splits already, so this is a plain product in every form.
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


def spec(matrix: Matrix, cut: Cut) -> KernelSpec:
    """One kernel, of the form that `cut` is for."""
    if isinstance(cut, Tiles):
        return tiles(matrix, cut, reads="rows_f16")
    outputs = [Binding("out_rows", "f32", ("rows", matrix.height), "w")]
    if isinstance(cut, Gemv):
        return gemv(matrix, cut, norm_eps=None, outputs=outputs)
    return matvec(matrix, cut, norm_eps=None, outputs=outputs)


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("o_proj", model.hidden, model.attn_width, buckets.quant)
    for cut in cuts(target, matrix, buckets.batch):
        yield spec(matrix, cut)
