"""ffn_gate_up: gate and up products and the gating, fused.

    g[b][n] = activation(sum over k of W_gate[n][k] h[b][k]) * (sum over k of W_up[n][k] h[b][k])

activation is gelu_tanh (Gemma) or SiLU. One row: h is made by the norm prologue (post-attention norm, residual,
pre-FFN norm). g leaves as ffn_down reads it: lanes layout, floats or int8 with a scale a block (`dot`), or f32 rows
with each row's largest magnitude.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, KernelSpec
from kernelc.product.forms import Cut, cuts
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import matvec
from kernelc.product.tiles import Tiles, tiles
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import BLOCK, padded


def spec(matrix: Matrix, cut: Cut, *, activation: str, norm_eps: float) -> KernelSpec:
    """One kernel, of the form that `cut` is for."""
    if isinstance(cut, Tiles):
        return tiles(matrix, cut, reads=cut.normed, params={"activation": activation})
    width = padded(matrix.height)
    if cut.dot:
        if cut.rows_per_workgroup % BLOCK:
            raise ValueError(f"ffn_gate_up: {cut.rows_per_workgroup} rows a workgroup are no whole blocks of {BLOCK}")
        words = Binding("out_words", "u32", ("rows", width // 4), "w")
        outputs = [words, Binding("out_scale", "f32x2", ("rows", width // BLOCK), "w")]
    else:
        outputs = [Binding("out_lanes", "f32", ("rows", width), "w")]
    return matvec(
        matrix,
        cut,
        norm_eps=norm_eps if cut.columns == 1 else None,
        outputs=outputs,
        writes="lanes_q8" if cut.dot else "lanes_f32",
        params={"activation": activation, "quantized_out": cut.dot, "out_width": width},
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("ffn_gate_up", model.ffn, model.hidden, buckets.quant, gated=True)
    for cut in cuts(target, matrix, buckets.batch):
        yield spec(matrix, cut, activation=model.activation, norm_eps=model.norm_eps)
