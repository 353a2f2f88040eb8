"""Weight formats: GGUF's Q4_0, Q8_0 and Q6_K in two planes (integers and scales), and plain halves.

Q6_K's integers become int8 on the device and its scales f32, one per 16 weights: d * scale, exactly (11 bits times 7),
so that scale * integer is to the bit what ggml computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kernelrt.abi import ELEMENT_BYTES

BLOCK = 32  # of activations, and what rows are padded to


@dataclass(frozen=True, slots=True)
class Quant:
    """On the device a weight takes `bits` in the integers' plane, and `group` of them share a scale of type
    `scale_dtype` (group 0: there are no scales). In a GGUF file `block` weights of a row take `block_bytes`.

    `unit`: weights in 16 bytes, what one lane loads at a time. A row of K weights is stored in padded(K).
    """

    name: str
    bits: int
    group: int
    scale_dtype: str
    block: int
    block_bytes: int

    @property
    def scaled(self) -> bool:
        return self.group > 0

    @property
    def unit(self) -> int:
        return 128 // self.bits

    def plane_bytes(self, rows: int, width: int) -> int:
        """Bytes of the integers' plane (or of the halves)."""
        return rows * padded(width) * self.bits // 8

    def scales(self, width: int) -> int:
        """Scales of a row."""
        return padded(width) // self.group if self.scaled else 0

    def scale_bytes(self, rows: int, width: int) -> int:
        """Bytes of the scales' plane."""
        return rows * self.scales(width) * ELEMENT_BYTES[self.scale_dtype] if self.scaled else 0

    def weight_bytes(self, rows: int, width: int) -> int:
        """Bytes of both planes."""
        return self.plane_bytes(rows, width) + self.scale_bytes(rows, width)

    def file_bytes(self, rows: int, width: int) -> int:
        """Bytes in a GGUF file, whose rows are whole blocks."""
        return rows * -(-width // self.block) * self.block_bytes


def padded(width: int) -> int:
    """A row's length in memory: whole blocks of 32, the tail zero."""
    return -(-width // BLOCK) * BLOCK


QUANTS: Mapping[str, Quant] = MappingProxyType(
    {
        q.name: q
        for q in (
            Quant("q4_0", 4, 32, "f16", 32, 18),
            Quant("q8_0", 8, 32, "f16", 32, 34),
            Quant("f16", 16, 0, "", 1, 2),
            Quant("q6_k", 8, 16, "f32", 256, 210),
        )
    }
)
# The layers' matrices have one of these; the embedding, which is the head too, any.
BODY_QUANTS = ("q4_0", "q8_0", "f16")
