"""o_proj: the attention's output projection.

    out_rows[b][n] = sum over k of W[n][k] a[b][k];  a the heads' outputs side by side, out f32 [rows, hidden]

`attn_decode` has merged its splits already, so this is a plain product in every form.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, KernelSpec
from kernelc.model import ModelSpec
from kernelc.product.forms import forms
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import Matvec, matvec
from kernelc.product.tiles import Tiles, tiles
from kernelc.target import TargetSpec


def spec(matrix: Matrix, cut: Matvec | Tiles, *, rows: int = 1, role: str = "prefill") -> KernelSpec:
    """One kernel: a Matvec cut gives the matvec form (lanes layout in), a Tiles cut the matrix form (f16 rows in)."""
    if isinstance(cut, Tiles):
        return tiles(matrix, cut, rows=rows, x_type="f16", role=role)
    return matvec(matrix, cut, norm_eps=None, outputs=[Binding("out_rows", "f32", ("rows", matrix.height), "w")])


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    matrix = Matrix("o_proj", model.hidden, model.attn_width, buckets.quant)
    yield from forms(
        target,
        matrix,
        buckets,
        lambda columns, dot: spec(matrix, Matvec.tuned(target, matrix, columns, dot)),
        lambda cut, rows, role: spec(matrix, cut, rows=rows, role=role),
    )
