"""Random weights in the device's own planes, for measurements at full size: nothing is read, next to nothing made."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from kernelrt.loading import Destination, LoadReport
from kernelrt.machine import Progress
from kernelrt.model import ModelSpec
from kernelrt.quant import BLOCK, QUANTS, padded
from kernelrt.weights.arrays import reshape, view
from kernelrt.weights.slots import Formats, Slot, slots
from kernelrt.weights.stream import Copy, Job, counted, stream
from kernelrt.weights.tensor import Bytes

_PATTERN = 8 << 20  # bytes of random rows that are made at a time
_MOVED = 1 << 30  # bytes that are copied from them
_ALIGN = 64
_MOST = {"q4_0": 7, "q8_0": 127, "q6_k": 31}  # integers are evenly spread over -most..most


@dataclass(frozen=True, slots=True)
class RandomWeights:
    """Weights of the right size: rows have a norm of about 1, norms' weights are near 1, scales are finite and of both
    signs. A few thousand random rows fill all matrices, each from other rows on. The same seed gives the same weights
    on one kind of machine only (it depends on the size of the staging buffers).
    """

    seed: int

    def check(self, model: ModelSpec, formats: Formats) -> None:
        """They fit every model in every format."""

    def load(self, destination: Destination, progress: Progress) -> LoadReport:
        """Fills every buffer of the destination."""
        began = time.perf_counter()
        wanted = slots(destination.model, destination.formats)
        total = sum(sum(slot.planes().values()) for slot in wanted)
        stream(_jobs(self.seed, wanted, destination), destination, counted(progress, "weights", total))
        ring = sum(buffer.nbytes for buffer in destination.ring)
        seconds = time.perf_counter() - began
        return LoadReport(seconds, 0, total, ring + 8 * _PATTERN, f"random weights, seed {self.seed}")


def _jobs(seed: int, wanted: Sequence[Slot], destination: Destination) -> Iterator[Job]:
    groups: dict[tuple[str, int], list[Slot]] = {}
    for slot in wanted:
        groups.setdefault((slot.format, slot.width), []).append(slot)
    for number, ((format, width), group) in enumerate(groups.items()):
        pattern = _Pattern.of(format, width, destination.ring[0].nbytes)
        rng = np.random.default_rng([seed, number])
        moves: list[Copy] = []
        moved = 0
        for slot in group:
            row = 0
            while row < slot.rows:
                start = int(rng.integers(0, pattern.rows // 2 + 1))
                count = min(pattern.rows - start, slot.rows - row)
                moves += pattern.moves(slot, start, row, count, destination)
                moved += count * pattern.row_bytes
                row += count
                if moved >= _MOVED or (slot is group[-1] and row == slot.rows):
                    yield Job([partial(pattern.fill, int(rng.integers(1 << 62)))], moves, moved)
                    moves, moved = [], 0


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Random rows of one format and width in a staging buffer: `rows` of them, then their scales."""

    format: str
    width: int
    rows: int
    integers: int  # bytes of a row in the plane of the integers (the halves, the vector)
    scales: int  # and in that of the scales

    @staticmethod
    def of(format: str, width: int, capacity: int) -> "_Pattern":
        quant = QUANTS.get(format)
        integers = 4 * width if quant is None else quant.plane_bytes(1, width)
        scales = 0 if quant is None else quant.scale_bytes(1, width)
        rows = (min(capacity, _PATTERN) - _ALIGN) // (integers + scales)
        if rows < 1:
            raise ValueError(f"a row of {width} weights in {format} does not fit into a staging buffer of {capacity}")
        return _Pattern(format, width, rows, integers, scales)

    @property
    def row_bytes(self) -> int:
        return self.integers + self.scales

    @property
    def _scales_at(self) -> int:
        return -(-self.rows * self.integers // _ALIGN) * _ALIGN

    def moves(self, slot: Slot, start: int, row: int, count: int, destination: Destination) -> Iterator[Copy]:
        """Rows of the pattern from `start` on to those of a slot from `row` on."""
        target = destination.buffers[slot.integers]
        yield Copy(target, start * self.integers, row * self.integers, count * self.integers)
        if self.scales:
            target = destination.buffers[slot.scales]
            yield Copy(target, self._scales_at + start * self.scales, row * self.scales, count * self.scales)

    def fill(self, seed: int, staging: memoryview) -> None:
        rng = np.random.default_rng(seed)
        size = self.rows * self.integers
        np.frombuffer(staging, np.uint8, size)[:] = reshape(self._integers(rng), -1)
        if self.scales:
            np.frombuffer(staging, np.uint8, self.rows * self.scales, self._scales_at)[:] = reshape(
                self._scales(rng), -1
            )

    def _integers(self, rng: np.random.Generator) -> Bytes:
        """uint8 [rows, integers]; weights behind the row's end mean zero."""
        shape = (self.rows, self.width)
        if self.format == "f32":
            w = rng.standard_normal(shape, np.float32)
            return view(np.add(np.multiply(w, np.float32(0.1)), np.float32(1), dtype=np.float32), np.uint8)
        if self.format == "f16":
            w = np.zeros((self.rows, padded(self.width)), np.float16)
            w[:, : self.width] = rng.standard_normal(shape, np.float32) * np.float32(self.width**-0.5)
            return view(w, np.uint8)
        most = _MOST[self.format]
        q = np.zeros((self.rows, padded(self.width)), np.int8)
        q[:, : self.width] = rng.integers(-most, most, shape, np.int8, endpoint=True)
        if self.format != "q4_0":
            return view(q, np.uint8)
        blocks = reshape(view(q + np.int8(8), np.uint8), self.rows, -1, BLOCK)
        return reshape(blocks[..., : BLOCK // 2] | blocks[..., BLOCK // 2 :] << np.uint8(4), self.rows, -1)

    def _scales(self, rng: np.random.Generator) -> Bytes:
        """Scales of either sign within a factor of three, so that a weight's mean square is 1 / width."""
        quant, most = QUANTS[self.format], _MOST[self.format]
        size = (self.rows, quant.scales(self.width))
        spread = rng.uniform(0.5, 1.5, size) * rng.choice((-1.0, 1.0), size)  # mean square 13 / 12
        mean_square = most * (most + 1) / 3 * 13 / 12
        scale = spread * (self.width * mean_square) ** -0.5
        return view(scale.astype(np.float16 if quant.scale_dtype == "f16" else np.float32), np.uint8)
