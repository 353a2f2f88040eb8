"""The sizes that a bundle is specialised for: KV cache capacities, decode batches, and one weight format."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.errors import InputError
from kernelrt.quant import QUANTS

MAX_BATCH = 32  # sequences in the run-time scalars' buffer (templates/glsl/lib/header.glsl)
_MOST = {"--seq": 131072, "--batch": MAX_BATCH}


@dataclass(frozen=True, slots=True)
class Buckets:
    """`seq`: KV cache capacities in tokens. `batch`: sequences decoded together. `quant`: the weights' format
    (quant.QUANTS).
    """

    seq: tuple[int, ...] = (512, 2048, 8192)
    batch: tuple[int, ...] = (1, 8, 32)
    quant: str = "q4_0"

    def __post_init__(self) -> None:
        if self.quant not in QUANTS:
            raise InputError(f"--quant: unknown weight format '{self.quant}' (known: {', '.join(QUANTS)})")
        check_sizes("--seq", self.seq)
        check_sizes("--batch", self.batch)


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
