"""Weight formats: GGUF's Q4_0 and Q8_0 in two planes (integers, fp16 scales), and plain halves."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

BLOCK = 32  # weights that share a scale


@dataclass(frozen=True, slots=True)
class Quant:
    """`unit`: weights in 16 bytes, what one lane loads at a time. A row of K weights is stored as ceil(K / 32)
    blocks.
    """

    name: str
    bits: int
    scaled: bool

    @property
    def unit(self) -> int:
        return 128 // self.bits

    def plane_bytes(self, rows: int, width: int) -> int:
        """Bytes of the integers' plane (or of the halves)."""
        return rows * padded(width) * self.bits // 8

    def scale_bytes(self, rows: int, width: int) -> int:
        return rows * padded(width) // BLOCK * 2 if self.scaled else 0

    def weight_bytes(self, rows: int, width: int) -> int:
        return self.plane_bytes(rows, width) + self.scale_bytes(rows, width)


def padded(width: int) -> int:
    """A row's length in memory: whole blocks of 32, the tail zero."""
    return -(-width // BLOCK) * BLOCK


QUANTS: Mapping[str, Quant] = MappingProxyType(
    {q.name: q for q in (Quant("q4_0", 4, True), Quant("q8_0", 8, True), Quant("f16", 16, False))}
)
