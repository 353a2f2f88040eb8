"""ffn_down: the feed-forward's second half.

    out_rows[b][n] = sum over k of W[n][k] g[b][k];  g the gated activations of `ffn_gate_up`, out f32 [rows, hidden]

g leaves the range of fp16, so it comes as floats, or for cooperative matrices as halves with a power of two for every
32; f16 ones bring each row as a whole into range by its largest magnitude, which `ffn_gate_up` collected.
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
        return tiles(matrix, cut, reads="rows_scaled" if cut.coopmat else "rows_f32")
    outputs = [Binding("out_rows", "f32", ("rows", matrix.height), "w")]
    if isinstance(cut, Gemv):
        return gemv(matrix, cut, norm_eps=None, outputs=outputs)
    return matvec(matrix, cut, norm_eps=None, outputs=outputs)


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("ffn_down", model.hidden, model.ffn, buckets.quant)
    for cut in cuts(target, matrix, buckets.batch):
        yield spec(matrix, cut)
