"""Memories of tiles and of the host, with a shadow that knows which bytes were ever written."""

import sys

import numpy as np

from kernelrt.npu.design import Buffer
from kernelrt.npu.sim.pattern import Bytes, Pattern, flat

POISON = 0x7FBD7FBD  # a NaN as f32, and two as bf16


class Memory:
    """A buffer in a tile, or an array of the `host`. `data` are its bytes, `item` of which are an element. `valid`: a
    mark for each, not 0 where it was written; None when all were."""

    __slots__ = ("_missing", "data", "host", "item", "label", "valid")

    def __init__(self, label: str, data: Bytes, item: int, *, host: bool = False) -> None:
        self.label = label
        self.data = data
        self.item = item
        self.host = host
        self.valid: Bytes | None = None
        self._missing = 0

    @staticmethod
    def of(buffer: Buffer, data: Bytes, marks: Bytes, poison: bool) -> "Memory":
        """A tile's buffer in an arena, filled with what the design says, or with zeros or POISON."""
        memory = Memory(buffer.name, data, buffer.type.item)
        if buffer.initial is not None:
            data[:] = np.frombuffer(buffer.initial, np.uint8)
            marks[:] = 1
            return memory
        filling = np.frombuffer(POISON.to_bytes(4, sys.byteorder) * -(-len(data) // 4), np.uint8)[: len(data)]
        data[:] = filling if poison else 0
        memory.valid = marks
        memory._missing = len(data)
        return memory

    @property
    def pointer(self) -> int:
        return self.data.ctypes.data

    def wrote(self, pattern: Pattern) -> None:
        """A DMA wrote all of a pattern."""
        if self.valid is None:
            return
        if pattern.plain:
            self.wrote_range(pattern.start, pattern.end)
        else:
            self.valid[pattern.touched()] = 1
            self._settle(len(self.valid) - int(np.count_nonzero(self.valid)))

    def wrote_range(self, start: int, end: int) -> None:
        if self.valid is not None:
            part = self.valid[start:end]
            new = len(part) - int(np.count_nonzero(part))
            part[:] = 1
            self._settle(self._missing - new)

    def wrote_all(self) -> None:
        """A core that is not watched had it in its hands: all of it counts as written."""
        if self.valid is not None:
            self.valid[:] = 1
            self.valid = None

    def never_written(self, pattern: Pattern) -> tuple[int, int] | None:
        """The first range (start, end) of bytes among the pattern's that nothing ever wrote; None where all are."""
        if self.valid is None or self._all_written(pattern, self.valid):
            return None
        touched = pattern.touched()
        bad = np.unique(touched[self.valid[touched] == 0])
        gaps = np.flatnonzero(np.diff(bad) > 1)
        return int(bad[0]), int(bad[gaps[0]] if len(gaps) else bad[-1]) + 1

    def _all_written(self, pattern: Pattern, valid: Bytes) -> bool:
        """The cheap question, which nearly always says yes."""
        if pattern.order is not None:
            return bool(valid[pattern.order].all())
        if not bool(flat(pattern.strided(valid)).all()):
            return False
        if pattern.plain and pattern.size == len(valid):
            self.valid = None
        return True

    def _settle(self, missing: int) -> None:
        self._missing = missing
        if missing == 0:
            self.valid = None
