"""A checkpoint's tensors cut into staging buffers: what fills each, and where its content goes on the device."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from kernelrt.loading import Destination
from kernelrt.quant import QUANTS
from kernelrt.weights.arrays import reshape
from kernelrt.weights.convert import Conversion, staged_row_bytes
from kernelrt.weights.slots import Slot
from kernelrt.weights.stream import Copy, Fill, Job, Unpack

_TASK = 1 << 21  # weights that one thread converts before it takes the next task
# Bytes that one thread reads where nothing is converted. Each task costs the threads some changes of the interpreter's
# lock, and the more of them wait for it, the more each costs.
_READ = 8 << 20
_ALIGN = 16  # bytes, of the pieces of a staging buffer


@dataclass(frozen=True, slots=True)
class _Piece:
    """`count` rows of a conversion's source from `first` on, which are the slot's rows from `row` on."""

    slot: Slot
    conversion: Conversion
    first: int
    row: int
    count: int

    @property
    def row_bytes(self) -> int:
        return staged_row_bytes(self.slot.format, self.slot.width)

    @property
    def nbytes(self) -> int:
        """Bytes in the staging buffer."""
        return self.count * self.row_bytes

    @property
    def read(self) -> int:
        """Bytes of the file."""
        return self.count * self.conversion.source.row_bytes

    def fills(self, at: int) -> Iterator[Fill]:
        """Tasks that write it to byte `at` of a staging buffer."""
        step = max(1, _READ // self.row_bytes if self.conversion.in_place else _TASK // self.slot.width)
        for row in range(0, self.count, step):
            count = min(step, self.count - row)
            yield partial(_fill, self.conversion, self.first + row, count, at + row * self.row_bytes, self.row_bytes)

    def copy(self, destination: Destination, at: int) -> Copy:
        """Its way to the device, for a slot of one plane."""
        return Copy(destination.buffers[self.slot.integers], at, self.row * self.row_bytes, self.nbytes)

    def unpack(self, destination: Destination) -> Unpack:
        """Its way to the device, for a slot of two planes."""
        repack, blocks = destination.repack[self.slot.format], -(-self.slot.width // QUANTS[self.slot.format].block)
        integers, scales = destination.buffers[self.slot.integers], destination.buffers[self.slot.scales]
        return Unpack(repack, integers, scales, self.row * blocks, self.count * blocks, self.nbytes)


def jobs(slots: Iterable[Slot], sources: Mapping[str, Conversion], destination: Destination) -> Iterator[Job]:
    """The whole model in staging buffers. GGUF blocks have one each; what is only copied shares them."""
    capacity = destination.ring[0].nbytes
    waiting: list[tuple[_Piece, int]] = []
    used = 0
    for piece in _pieces(slots, sources, capacity):
        if piece.slot.is_scaled:
            yield Job(list(piece.fills(0)), piece.unpack(destination), piece.read)
            continue
        if used + piece.nbytes > capacity:
            yield _copied(waiting, destination)
            waiting, used = [], 0
        waiting.append((piece, used))
        used = -(-(used + piece.nbytes) // _ALIGN) * _ALIGN
    if waiting:
        yield _copied(waiting, destination)


def _pieces(slots: Iterable[Slot], sources: Mapping[str, Conversion], capacity: int) -> Iterator[_Piece]:
    for slot in slots:
        step = capacity // staged_row_bytes(slot.format, slot.width)
        if not step:
            raise ValueError(f"a row of {slot.name} does not fit into a staging buffer of {capacity} bytes")
        base = 0
        for part in slot.parts:
            for first in range(0, part.rows, step):
                yield _Piece(slot, sources[part.role], first, base + first, min(step, part.rows - first))
            base += part.rows


def _copied(pieces: list[tuple[_Piece, int]], destination: Destination) -> Job:
    fills = [fill for piece, at in pieces for fill in piece.fills(at)]
    moves = [piece.copy(destination, at) for piece, at in pieces]
    return Job(fills, moves, sum(piece.read for piece, _ in pieces))


def _fill(conversion: Conversion, first: int, count: int, at: int, row_bytes: int, view: memoryview) -> None:
    out = reshape(np.frombuffer(view, np.uint8, count * row_bytes, at), count, row_bytes)
    conversion.fill(first, count, out)
