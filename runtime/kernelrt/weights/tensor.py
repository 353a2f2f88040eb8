"""A tensor of a weights file: its format, its shape, and its bytes, read where they are needed."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernelrt.errors import InputError
from kernelrt.specfile import open_file
from kernelrt.weights.origin import Origin

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


class OpenFile:
    """A file that is open for reading; `origin` is what it was when it was opened.

    NOTES: it is read, not mapped. A file that is cut off or a disk that fails while a mapping is read ends the process
    by a signal; here it is an error. A copy out of the page cache takes no longer than the page faults of a mapping.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError where it cannot be opened."""
        self.path = path
        self._file = open_file(path)
        status = os.fstat(self._file.fileno())
        self.origin = Origin(path.absolute(), status.st_size, status.st_mtime_ns)

    @property
    def size(self) -> int:
        return self.origin.size

    def read(self, start: int, out: memoryview) -> None:
        """Fills `out` with the file's bytes from `start` on. InputError where it cannot be read, or ends before."""
        at = 0
        while at < len(out):
            try:
                got = os.preadv(self._file.fileno(), [out[at:]], start + at)
            except OSError as error:
                raise InputError(f"{self.path}: cannot be read: {error.strerror or error}") from None
            if not got:
                raise InputError(
                    f"{self.path}: cut off while it was read: it had {self.size} bytes and ends at {start + at} now"
                )
            at += got

    def bytes(self, start: int, count: int) -> Bytes:
        """`count` bytes from `start`. Raises what `read` does."""
        found = np.empty(count, np.uint8)
        self.read(start, found.data)
        return found

    def close(self) -> None:
        """A second call does nothing."""
        self._file.close()

    def __enter__(self) -> "OpenFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` [rows, width] of a matrix or [width] of a vector; rows follow one another without a gap.

    `name` is the file's own.
    """

    name: str
    encoding: Encoding
    shape: tuple[int, ...]
    file: OpenFile
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

    def read(self, first: int, out: Bytes) -> None:
        """Fills `out` (uint8 [count, row_bytes], contiguous) with rows from `first` on; a vector is one row."""
        self.file.read(self.start + first * self.row_bytes, out.data.cast("B"))

    def rows(self, first: int, count: int) -> Bytes:
        """The bytes of some rows: uint8 [count, row_bytes]."""
        found = np.empty((count, self.row_bytes), np.uint8)
        self.read(first, found)
        return found
