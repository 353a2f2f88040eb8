"""ffn_gate_up: gate and up products and the gating, fused.

    g[b][n] = activation(sum over k of W_gate[n][k] h[b][k]) * (sum over k of W_up[n][k] h[b][k])

activation is gelu_tanh (Gemma) or SiLU. One row: h is made by the norm prologue (post-attention norm, residual,
pre-FFN norm). g leaves as ffn_down reads it: floats, in rows or the lanes layout, or with cooperative matrices halves
with a power of two for every 32. The matrix forms also collect each row's largest magnitude.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, KernelSpec, Layout, Value
from kernelc.product.forms import Cut, cuts, row_layout
from kernelc.product.gemv import Gemv, gemv
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import matvec
from kernelc.product.tiles import Tiles, tiles
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import padded


def spec(matrix: Matrix, cut: Cut, *, activation: str, norm_eps: float, writes: Layout = "lanes_f32") -> KernelSpec:
    """One kernel, of the form that `cut` is for. `writes`: how ffn_down wants one row (the matrix forms write rows)."""
    if isinstance(cut, Tiles):
        return tiles(matrix, cut, reads=cut.normed, params={"activation": activation})
    width = padded(matrix.height)
    params: dict[str, Value] = {"activation": activation, "out": writes, "out_width": width}
    outputs = [Binding("out_rows" if writes == "rows_f32" else "out_lanes", "f32", ("rows", width), "w")]
    if isinstance(cut, Gemv):
        return gemv(matrix, cut, norm_eps=norm_eps, outputs=outputs, writes=writes, params=params)
    return matvec(
        matrix,
        cut,
        norm_eps=norm_eps if cut.columns == 1 else None,
        outputs=outputs,
        writes=writes,
        params=params,
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("ffn_gate_up", model.ffn, model.hidden, buckets.quant, gated=True)
    down = Matrix("ffn_down", model.hidden, model.ffn, buckets.quant)
    for cut in cuts(target, matrix, buckets.batch):
        one_row = not isinstance(cut, Tiles) and cut.columns == 1
        writes = row_layout(target, down) if one_row else "lanes_f32"
        yield spec(matrix, cut, activation=model.activation, norm_eps=model.norm_eps, writes=writes)
