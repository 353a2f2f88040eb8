"""Which forms of a product a bundle needs."""

from collections.abc import Callable, Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import KernelSpec
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import MATVEC_COLUMNS
from kernelc.product.tiles import Tiles, operands, tiles_tuned
from kernelc.target import TargetSpec

PREFILL_ROWS = 512  # tokens of a prefill chunk unless the target says otherwise


def forms(
    target: TargetSpec,
    matrix: Matrix,
    buckets: Buckets,
    as_matvec: Callable[[int, bool], KernelSpec],
    as_tiles: Callable[[Tiles, int, str], KernelSpec],
    *,
    prefill: bool = True,
) -> Iterator[KernelSpec]:
    """Every form that a bundle needs of one product: matvec for batches up to 8 (with integer dots too where the
    target has them), tiles for larger ones and for prefill, plain and with cooperative matrices where the target
    has them.
    """
    for batch in buckets.batch:
        if batch <= MATVEC_COLUMNS:
            yield as_matvec(batch, False)
            if dot_pays(target, matrix):
                yield as_matvec(batch, True)
    buckets_rows = [(batch, f"b{batch}") for batch in buckets.batch if batch > MATVEC_COLUMNS]
    if prefill:
        buckets_rows.append((target.tune.get("prefill_rows", PREFILL_ROWS), "prefill"))
    for rows, role in buckets_rows:
        for operand in operands(target):
            yield as_tiles(tiles_tuned(target, matrix, rows, operand), rows, role)


def dot_pays(target: TargetSpec, matrix: Matrix) -> bool:
    """Integer dots unpack four weights an instruction; weights of 16 bits have nothing to unpack."""
    return "integer_dot" in target.features and matrix.format.scaled
