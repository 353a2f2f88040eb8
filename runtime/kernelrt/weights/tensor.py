"""A tensor of a weights file: its format, its shape, and its bytes, mapped and never copied."""

import math
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernelrt.errors import InputError
from kernelrt.specfile import open_file
from kernelrt.weights.arrays import reshape

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoding:
    """`block` weights of a row are stored in `nbytes` bytes."""

    name: str
    block: int
    nbytes: int

    @property
    def is_float(self) -> bool:
        """Whether each weight is a number of its own."""
        return self.block == 1

    def row_bytes(self, width: int) -> int:
        """Bytes of a row of `width` weights, which are whole blocks."""
        return width // self.block * self.nbytes


F32, F16, BF16 = Encoding("f32", 1, 4), Encoding("f16", 1, 2), Encoding("bf16", 1, 2)
Q4_0, Q8_0, Q6_K = Encoding("q4_0", 32, 18), Encoding("q8_0", 32, 34), Encoding("q6_k", 256, 210)


class FileMap:
    """A file mapped for reading; `size` and `mtime_ns` as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where it cannot be read or mapped."""
        self.path = path
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None
            except OSError as error:
                raise InputError(f"{path}: cannot be mapped: {error.strerror or error}") from None

    def bytes(self, start: int, count: int) -> Bytes:
        """`count` bytes from `start`, read-only. They hold the map open for as long as they live."""
        if self._map is None or not count:
            return np.empty(0, np.uint8)
        return np.frombuffer(self._map, np.uint8, count, start)

    def release(self, start: int, count: int) -> None:
        """These bytes will not be read again: their pages leave this process, not the page cache."""
        if self._map is None:
            return
        begin = start // mmap.PAGESIZE * mmap.PAGESIZE
        self._map.madvise(mmap.MADV_DONTNEED, begin, start + count - begin)

    def close(self) -> None:
        """Unmaps the file, or leaves that to the last array that shows it."""
        mapped, self._map = self._map, None
        if mapped is not None:
            try:
                mapped.close()
            except BufferError:  # an error that is still being handled may hold a view in its frames
                return


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` [rows, width] of a matrix or [width] of a vector; rows follow one another without a gap.

    `name` is the file's own.
    """

    name: str
    encoding: Encoding
    shape: tuple[int, ...]
    file: FileMap
    start: int

    @property
    def width(self) -> int:
        return self.shape[-1]

    @property
    def row_bytes(self) -> int:
        return self.encoding.row_bytes(self.width)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape[:-1]) * self.row_bytes

    def rows(self, first: int, count: int) -> Bytes:
        """The bytes of some rows (a vector is one row): uint8 [count, row_bytes]."""
        start = self.start + first * self.row_bytes
        return reshape(self.file.bytes(start, count * self.row_bytes), count, self.row_bytes)

    def release(self, first: int, count: int) -> None:
        """Some rows will not be read again."""
        self.file.release(self.start + first * self.row_bytes, count * self.row_bytes)
