"""Which forms of a product a bundle needs."""

from collections.abc import Iterator

from kernelc.product.matrix import Matrix
from kernelc.product.matvec import MATVEC_COLUMNS, Matvec
from kernelc.product.tiles import Tiles, operands, prefill_rows, tiles_tuned
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import BLOCK, QUANTS

Cut = Matvec | Tiles


def cuts(target: TargetSpec, matrix: Matrix, batches: tuple[int, ...], prefill: bool = True) -> Iterator[Cut]:
    """Matvec for batches up to 8 (with integer dots too where the target has them), tiles for larger ones and for
    prefill, plain and with cooperative matrices where the target has them.
    """
    for batch in batches:
        if batch <= MATVEC_COLUMNS:
            yield Matvec.tuned(target, matrix, batch, False)
            if dot_pays(target, matrix.quant):
                yield Matvec.tuned(target, matrix, batch, True)
    sizes = [(batch, False) for batch in batches if batch > MATVEC_COLUMNS]
    if prefill:
        sizes.append((prefill_rows(target), True))
    for rows, chunked in sizes:
        for operand in operands(target):
            yield tiles_tuned(target, matrix, rows, chunked, operand)


def dot_pays(target: TargetSpec, quant: str) -> bool:
    """Integer dots unpack four weights an instruction; weights of 16 bits have nothing to unpack."""
    return "integer_dot" in target.features and QUANTS[quant].scaled


def heads_in_blocks(model: ModelSpec) -> bool:
    """Whether attention can leave int8: one of its workgroups has whole blocks of 32 to scale."""
    return model.head_dim % BLOCK == 0
