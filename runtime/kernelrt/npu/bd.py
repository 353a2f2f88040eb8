"""A buffer descriptor: what one transfer of a DMA moves, in which order, and which locks stand around it."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.place import Place


@dataclass(frozen=True, slots=True)
class LockUse:
    """`acquire`: wait until the lock is at least `value` ("ge") or exactly it ("eq"), and take it off; else release:
    add it."""

    lock: str
    action: Literal["ge", "eq", "release"]
    value: int


@dataclass(frozen=True, slots=True)
class Dim:
    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Pad:
    """Zeros (the DMA's constant) before and after a dimension, in elements."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Bd:
    """A buffer descriptor. `buffer` names a Buffer, or an argument of the sequence. Without `dims`, `length` elements
    from `offset` on. `next` is the index within the channel's chain of the one behind it (None: the chain ends).

    Dimensions are outermost first. A shim's may be four: the outermost is the BD's iteration, counted in `length`."""

    buffer: str
    offset: int
    length: int
    dims: tuple[Dim, ...]
    pads: tuple[Pad, ...]
    acquire: LockUse | None
    release: LockUse | None
    packet: int | None
    id: int | None
    next: int | None
    where: Place
