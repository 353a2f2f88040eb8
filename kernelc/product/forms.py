"""Which forms of a product a bundle needs."""

from collections.abc import Iterator

from kernelc.kernel import Layout
from kernelc.product.gemv import Gemv, needs
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import MATVEC_COLUMNS, Matvec
from kernelc.product.tile_cuts import direct_tuned, tiles_tuned
from kernelc.product.tiles import Tiles, operands, prefill_rows
from kernelc.target import TargetSpec

Cut = Gemv | Matvec | Tiles


def cuts(target: TargetSpec, matrix: Matrix, batches: tuple[int, ...], prefill: bool = True) -> Iterator[Cut]:
    """Gemv for one row where it can be, matvec for batches up to 8, tiles for larger ones and for prefill, plain and
    with cooperative matrices where the target has them, for batches up to 32 directly too.
    """
    for batch in batches:
        if batch == 1 and dots(target, matrix):
            yield Gemv.tuned(target, matrix)
        elif batch <= MATVEC_COLUMNS:
            yield Matvec.tuned(target, matrix, batch)
    sizes = [(batch, False) for batch in batches if batch > MATVEC_COLUMNS]
    if prefill:
        sizes.append((prefill_rows(target), True))
    for rows, chunked in sizes:
        for operand in operands(target):
            yield tiles_tuned(target, matrix, rows, chunked, operand)
        direct = None if chunked else direct_tuned(target, matrix, rows)
        if direct is not None:
            yield direct


def dots(target: TargetSpec, matrix: Matrix) -> bool:
    """Whether one row of activations is multiplied by integer dots: the target can, weights are there to unpack
    (those of 16 bits are not), and the activations fit into shared memory.
    """
    if not target.features.issuperset(needs(matrix)) or not matrix.format.scaled:
        return False
    return Gemv.tuned(target, matrix).shared_bytes(matrix) <= target.shared_memory


def row_layout(target: TargetSpec, matrix: Matrix) -> Layout:
    """How a product of one row wants its activations, where it has no norm in front."""
    return "rows_f32" if dots(target, matrix) else "lanes_f32"
