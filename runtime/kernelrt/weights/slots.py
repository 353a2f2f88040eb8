"""The tensors of a model on the device: their shapes, formats and planes, and what of a checkpoint makes each."""

from collections.abc import Iterator
from dataclasses import dataclass

from kernelrt.model import ModelSpec
from kernelrt.quant import QUANTS


@dataclass(frozen=True, slots=True)
class Formats:
    """Formats of a bundle's weights (names of kernelrt.quant): `quant` of the layers' matrices, and the embedding's."""

    quant: str
    embedding: str


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of the checkpoint (a role, see kernelrt.weights.names) and how many rows of the slot it fills."""

    role: str
    rows: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor on the device: its parts below one another, in their order.

    A matrix [rows, width] has a `format` of kernelrt.quant and lies in one or two planes; a vector (`format` "f32", one
    row) holds the numbers that a norm multiplies by, Gemma's 1 + w.
    """

    name: str
    format: str
    parts: tuple[Part, ...]
    width: int

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def is_vector(self) -> bool:
        return self.format == "f32"

    @property
    def is_scaled(self) -> bool:
        return not self.is_vector and QUANTS[self.format].scaled

    @property
    def integers(self) -> str:
        """Name of the buffer of the integers (of the halves; of a vector)."""
        return self.name if self.is_vector else f"{self.name}.w"

    @property
    def scales(self) -> str:
        """Name of the buffer of the scales, where the format has them."""
        return f"{self.name}.scale"

    def planes(self) -> dict[str, int]:
        """The buffers that hold it, by name, in bytes."""
        if self.is_vector:
            return {self.name: 4 * self.width}
        quant = QUANTS[self.format]
        found = {self.integers: quant.plane_bytes(self.rows, self.width)}
        return found | ({self.scales: quant.scale_bytes(self.rows, self.width)} if quant.scaled else {})


def slots(model: ModelSpec, formats: Formats) -> tuple[Slot, ...]:
    """Every weight of the model, in the order of its use."""
    return tuple(_slots(model, formats))


def _slots(model: ModelSpec, formats: Formats) -> Iterator[Slot]:
    hidden, ffn, keys = model.hidden, model.ffn, model.kv_heads * model.head_dim

    def matrix(name: str, rows: int, width: int) -> Slot:
        return Slot(name, formats.quant, (Part(name, rows),), width)

    def vector(name: str, width: int) -> Slot:
        return Slot(name, "f32", (Part(name, 1),), width)

    yield Slot("embedding", formats.embedding, (Part("embedding", model.vocab),), hidden)
    for i in range(model.layers):
        yield vector(f"{i}.input_norm", hidden)
        heads = (Part(f"{i}.q", model.attn_width), Part(f"{i}.k", keys), Part(f"{i}.v", keys))
        yield Slot(f"{i}.qkv", formats.quant, heads, hidden)
        yield vector(f"{i}.q_norm", model.head_dim)
        yield vector(f"{i}.k_norm", model.head_dim)
        yield matrix(f"{i}.o_proj", hidden, model.attn_width)
        yield vector(f"{i}.post_attention_norm", hidden)
        yield vector(f"{i}.pre_ffn_norm", hidden)
        yield matrix(f"{i}.gate", ffn, hidden)
        yield matrix(f"{i}.up", ffn, hidden)
        yield matrix(f"{i}.down", hidden, ffn)
        yield vector(f"{i}.post_ffn_norm", hidden)
    yield vector("final_norm", hidden)
