"""What a weights file that we write holds: its tensors in their order, and the bytes before and between them."""

import math
from dataclasses import dataclass

from kernelrt.model import ModelSpec
from kernelrt.weights.slots import Formats, slots
from kernelrt.weights.tensor import Encoding


@dataclass(frozen=True, slots=True)
class Planned:
    """A tensor to write: its role (kernelrt.weights.names), shape and format."""

    role: str
    shape: tuple[int, ...]
    encoding: Encoding

    @property
    def width(self) -> int:
        return self.shape[-1]

    @property
    def rows(self) -> int:
        """1 for a vector."""
        return math.prod(self.shape[:-1])

    @property
    def nbytes(self) -> int:
        return self.rows * self.encoding.row_bytes(self.width)


@dataclass(frozen=True, slots=True)
class FileLayout:
    """A file: `header`, then each tensor, and zeros behind it up to a multiple of `alignment`."""

    name: str
    header: bytes
    tensors: tuple[Planned, ...]
    alignment: int

    @property
    def nbytes(self) -> int:
        return len(self.header) + sum(aligned(tensor.nbytes, self.alignment) for tensor in self.tensors)


def aligned(nbytes: int, alignment: int) -> int:
    return -(-nbytes // alignment) * alignment


def planned(model: ModelSpec, matrices: Encoding, embedding: Encoding, vectors: Encoding) -> tuple[Planned, ...]:
    """Every tensor of a text checkpoint, in the order of its use."""
    found: list[Planned] = []
    for slot in slots(model, Formats("f16", "f16")):  # shapes do not depend on formats
        for part in slot.parts:
            if slot.is_vector:
                found.append(Planned(part.role, (slot.width,), vectors))
            else:
                encoding = embedding if part.role == "embedding" else matrices
                found.append(Planned(part.role, (part.rows, slot.width), encoding))
    return tuple(found)
