"""What the NPU's attention kernels are told at run time: which blocks of a cache a pass streams, and its header.

A cache [kv_heads, capacity, head_dim] holds position p at entry p % capacity. A sequence of instructions is fixed, so
it streams what any start of its range can need: `start - spread < s <= start`. The header says where the queries
really are.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kernelrt.errors import MissingKernelError

WORDS = 8  # of a header, i32
MAGIC_BITS = 0x4B400000  # of 1.5 2^23 in f32: what is added to it is rounded to an integer
UNBOUNDED = 1 << 30  # a window that reaches back to the first token


@dataclass(frozen=True, slots=True)
class Stream:
    """Blocks of keys that follow each other, from position `first` on, as runs (entry of the cache, blocks)."""

    first: int
    blocks: int
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """How a prefill chunk is cut: `rows` queries a head, a pass has `pass_rows` of them and blocks of `key_rows`
    keys.
    """

    rows: int
    pass_rows: int
    key_rows: int
    capacity: int
    window: int | None

    @property
    def passes(self) -> int:
        return -(-self.rows // self.pass_rows)

    def stream(self, number: int, start: int, spread: int) -> Stream:
        """What pass `number` streams in the sequence of `start`."""
        low = max(0, start - spread + 1) + number * self.pass_rows - ((self.window or UNBOUNDED) - 1)
        high = start + min(self.rows, (number + 1) * self.pass_rows)
        return blocks(max(0, low), high, self.key_rows, self.capacity)

    def header(
        self, number: int, start: int, rows: int, stream: Stream, shift: int = 0, factor: float = 1.0
    ) -> tuple[int, ...]:
        """Of pass `number` for `rows` queries from position `start` on.

        int8 only: a score is the sum of products times 2^-shift, and results are multiplied by `factor`, the scale of
        v.
        """
        at = number * self.pass_rows
        words = (stream.blocks, start + at - stream.first, self.window or UNBOUNDED, max(0, rows - at))
        return (*words, MAGIC_BITS - (shift << 23), struct.unpack("<i", struct.pack("<f", factor))[0], 0, 0)


def blocks(low: int, high: int, size: int, capacity: int) -> Stream:
    """Whole blocks of `size` keys around the positions low .. high - 1 of a ring of `capacity` entries, a multiple of
    size.

    More than the ring has come round: masks go by position, and hide all but the one that an entry holds.
    """
    first, end, ring = low // size, -(-high // size), capacity // size
    entry, left = first % ring, end - first
    runs: list[tuple[int, int]] = []
    while left:
        count = min(left, ring - entry)
        runs.append((entry * size, count))
        entry, left = 0, left - count
    return Stream(first * size, end - first, tuple(runs))


def serving(start: int, starts: Sequence[int], spread: int, capacity: int, window: int | None) -> tuple[int, int]:
    """Which sequence serves a first query at `start`: (the S of its name, the S that its header is made for).

    With a window the cache is a ring: where it has come round, positions a whole capacity apart lie at the same
    entries, and one sequence serves all of them, if it reaches back a whole window. Raises MissingKernelError where
    none does.
    """
    wanted = starts[0] - (starts[0] - start) // spread * spread  # the first at or behind `start`
    turns = max(0, -(-(wanted - starts[-1]) // capacity)) if window else 0
    named = wanted - turns * capacity
    if named not in starts or (window and turns and named - spread - window + 2 < 0):
        known = ", ".join(map(str, starts))
        raise MissingKernelError(f"no sequence of instructions serves position {start}: there are {known}")
    return named, wanted
