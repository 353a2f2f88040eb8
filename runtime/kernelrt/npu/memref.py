"""Types of memory as MLIR has them, and their sizes."""

from dataclasses import dataclass
from math import prod

_ITEM_BYTES = {
    "i8": 1, "i16": 2, "i32": 4, "i64": 8, "index": 4, "bf16": 2, "f16": 2, "f32": 4, "f64": 8,
}  # fmt: skip


def signless(dtype: str) -> str:
    """A dtype without its sign: i8 for si8 and ui8."""
    return dtype.removeprefix("s").removeprefix("u")


def item_bytes(dtype: str) -> int | None:
    """Bytes of one element, None for a dtype that no DMA moves."""
    return _ITEM_BYTES.get(signless(dtype))


@dataclass(frozen=True, slots=True)
class Memref:
    """A dtype of MLIR that `item_bytes` knows (bf16, f32, i8, i32, ...) and a static shape."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"memref<{'x'.join((*map(str, self.shape), self.dtype))}>"

    @property
    def item(self) -> int:
        """Bytes of one element."""
        return _ITEM_BYTES[signless(self.dtype)]

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.elements * self.item
