"""What a bundle is specialised for beside model and target: KV cache capacities, decode batches, weight formats."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from kernelrt.params import MAX_SEQUENCES
from kernelrt.quant import BLOCK, BODY_QUANTS, QUANTS

MAX_BATCH = MAX_SEQUENCES  # what the run-time scalars' buffer holds
_MOST = {"--seq": 131072, "--batch": MAX_BATCH}


@dataclass(frozen=True, slots=True)
class Buckets:
    """`seq`: KV cache capacities in tokens. `batch`: sequences decoded together. `quant`: the format of the layers'
    matrices (BODY_QUANTS). `embedding`: that of the embedding, which is the head too (QUANTS; "" becomes `quant`).
    """

    seq: tuple[int, ...] = (512, 2048, 8192)
    batch: tuple[int, ...] = (1, 8, 32)
    quant: str = "q4_0"
    embedding: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding", self.embedding or self.quant)
        check_formats(self.quant, self.embedding)
        check_sizes("--seq", self.seq)
        check_sizes("--batch", self.batch)


def check_formats(quant: str, embedding: str) -> None:
    """Raises InputError for formats that no bundle can have."""
    for option, found, known in (("--quant", quant, BODY_QUANTS), ("--embedding-quant", embedding, tuple(QUANTS))):
        if found not in known:
            raise InputError(f"{option}: unknown weight format '{found}' (known: {', '.join(known)})")


def check_embedding(embedding: str, model: ModelSpec) -> None:
    """Raises InputError where the model's rows are no whole blocks of the format (q4_0 and q8_0: rows are padded)."""
    block = QUANTS[embedding].block
    if block > BLOCK and model.hidden % block:
        raise InputError(
            f"--embedding-quant {embedding}: the rows of {model.name} have {model.hidden} weights, no whole blocks of "
            f"{block}; GGUF files have q8_0 there"
        )


def check_sizes(option: Literal["--seq", "--batch"], sizes: tuple[int, ...]) -> None:
    """Raises InputError for sizes that no bucket can have."""
    most = _MOST[option]
    if not sizes:
        raise InputError(f"{option}: needs at least one size")
    for size in sizes:
        if not 1 <= size <= most:
            raise InputError(f"{option}: {size} is outside 1..{most}")
    if list(sizes) != sorted(set(sizes)):
        raise InputError(f"{option}: sizes must rise and not repeat, got {','.join(map(str, sizes))}")
