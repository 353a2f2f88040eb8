"""GGUF files: the key/value pairs, and what each tensor is and where it lies. No tensor's data is read here.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. A file is not
trusted: no count, length or offset in it is used before it was held against the file's size.
"""

import math
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from kernelrt.errors import InputError
from kernelrt.ggml_types import TYPES, GgmlType
from kernelrt.specfile import open_file, printable, shown

_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_FLOAT32, _STRING, _ARRAY = 6, 8, 9
_FLOAT32_MAX = 3.4028234663852886e38
# The most of each: far above any Gemma 3 file, whose header (its vocabulary) takes 7 MB.
_MAX_HEADER, _MAX_STRING, _MAX_ARRAY = 256 << 20, 1 << 26, 1 << 24
_MAX_KEYS, _MAX_TENSORS = 1 << 16, 1 << 16
_MAX_DIMENSIONS, _MAX_ALIGNMENT = 4, 1 << 20
_READ = 1 << 20  # bytes of one read of the file
_ALIGNMENT = 32  # where general.alignment is missing


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of the file: `shape` with the rows first (the file has them last), its bytes at `start`."""

    name: str
    type: GgmlType
    shape: tuple[int, ...]
    start: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Gguf:
    """`fields` are the key/value pairs: numbers, booleans, strings, and lists of one of them."""

    path: Path
    fields: Mapping[str, object]
    tensors: Mapping[str, TensorInfo]
    header_bytes: int


def read_fields(path: Path) -> dict[str, object]:
    """The key/value pairs alone; the file may be cut off behind them. Raises InputError naming the file."""
    try:
        with open_file(path) as file:
            return _Reader(file).start()[1]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except _Malformed as error:
        raise InputError(f"{path}: not a usable GGUF header: {error}") from None


def read_gguf(path: Path) -> Gguf:
    """The whole header. Raises InputError naming the file, and the tensor whose data the file does not hold."""
    try:
        with open_file(path) as file:
            reader = _Reader(file)
            count, fields = reader.start()
            infos = [reader.tensor() for _ in range(count)]
        tensors = _placed(infos, reader.at, _alignment(fields), reader.size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except _Malformed as error:
        raise InputError(f"{path}: not a usable GGUF header: {error}") from None
    except _CutOff as error:
        raise InputError(f"{path}: cut off: {error}; download it again") from None
    return Gguf(path, MappingProxyType(fields), MappingProxyType(tensors), reader.at)


class _Malformed(Exception):
    """The bytes are not a GGUF header."""


class _CutOff(Exception):
    """The header is whole and the data behind it is not."""


class _Reader:
    """Reads forward from a file's begin; `at` is the next byte."""

    def __init__(self, file: BinaryIO) -> None:
        self.at = 0
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self._data = bytearray()  # the header so far: a read of the file for each of 262144 tokens would take a second

    def start(self) -> tuple[int, dict[str, object]]:
        """How many tensors there are, and the key/value pairs."""
        start = self._advance(min(4, self.size))
        if (magic := bytes(self._data[start : self.at])) != b"GGUF":
            raise _Malformed(f"it begins with {magic!r} and not with b'GGUF'")
        if (version := self._numbers("I")[0]) not in _VERSIONS:
            raise _Malformed(f"version {version} is not supported (known: {_VERSIONS})")
        tensors = self._length(_MAX_TENSORS, "tensors")
        count = self._length(_MAX_KEYS, "keys")
        values: dict[str, object] = {}
        for _ in range(count):
            key = self._string()
            if key in values:
                raise _Malformed(f"the key {shown(key)} occurs twice")
            values[key] = self._value(key)
        return tensors, values

    def tensor(self) -> TensorInfo:
        """One entry of the tensors' list; `start` counts from the data section's begin."""
        name = self._string()
        if (dimensions := int(self._numbers("I")[0])) > _MAX_DIMENSIONS:
            raise _Malformed(f"tensor {shown(name)} has {dimensions} dimensions")
        sizes = [int(size) for size in self._numbers("Q", dimensions)]
        number, start = int(self._numbers("I")[0]), int(self._numbers("Q")[0])
        if (kind := TYPES.get(number)) is None:
            raise _Malformed(f"tensor {shown(name)} has the unknown type {number}")
        if not sizes or not all(sizes) or sizes[0] % kind.block:
            raise _Malformed(f"tensor {shown(name)} of {kind.name} has the impossible dimensions {shown(sizes)}")
        return TensorInfo(name, kind, tuple(reversed(sizes)), start, math.prod(sizes) // kind.block * kind.nbytes)

    def _advance(self, nbytes: int) -> int:
        """Makes the next `nbytes` bytes available and steps over them; gives their place."""
        start, end = self.at, self.at + nbytes
        if end > self.size:
            raise _Malformed(f"it ends at byte {self.size}, within the header; was the download cut off?")
        if end > _MAX_HEADER:
            raise _Malformed(f"it is longer than {_MAX_HEADER >> 20} MiB, which no header is")
        while len(self._data) < end:
            if not (more := self._file.read(max(end - len(self._data), _READ))):
                raise _Malformed(f"it ends at byte {len(self._data)}, within the header; was the download cut off?")
            self._data += more
        self.at = end
        return start

    def _numbers(self, code: str, count: int = 1) -> tuple[int | float | bool, ...]:
        layout = struct.Struct(f"<{count}{code}")  # of at most _MAX_ARRAY elements
        return layout.unpack_from(self._data, self._advance(layout.size))

    def _u64(self) -> int:
        start = self._advance(8)
        return int.from_bytes(self._data[start : start + 8], "little")

    def _length(self, limit: int, what: str) -> int:
        if (length := self._u64()) > limit:
            raise _Malformed(f"{length} {what} before byte {self.at} are not plausible")
        return length

    def _string(self) -> str:
        start = self._advance(self._length(_MAX_STRING, "bytes of a string"))
        return self._data[start : self.at].decode("utf-8", "replace")

    def _values(self, key: str, kind: int, count: int = 1) -> Sequence[object]:
        if kind == _STRING:
            return [self._string() for _ in range(count)]
        if kind not in _SCALARS:
            raise _Malformed(f"key {shown(key)} has the unknown type {kind}")
        return self._numbers(_SCALARS[kind], count)

    def _value(self, key: str) -> object:
        kind = int(self._numbers("I")[0])
        if kind != _ARRAY:
            value = self._values(key, kind)[0]
            return _shortest(value) if isinstance(value, float) and kind == _FLOAT32 else value
        kind = int(self._numbers("I")[0])
        return list(self._values(key, kind, self._length(_MAX_ARRAY, "array elements")))


def _alignment(fields: Mapping[str, object]) -> int:
    found = fields.get("general.alignment", _ALIGNMENT)
    if not isinstance(found, int) or not 0 < found <= _MAX_ALIGNMENT or found & (found - 1):
        raise _Malformed(f"general.alignment: must be a power of two, is {shown(found)}")
    return found


def _placed(infos: Sequence[TensorInfo], header: int, alignment: int, size: int) -> dict[str, TensorInfo]:
    """The tensors by name, in the file's order, with places in the file: aligned, apart from one another, inside."""
    begin = -(-header // alignment) * alignment
    tensors: dict[str, TensorInfo] = {}
    for info in infos:
        if info.name in tensors:
            raise _Malformed(f"two tensors of the name {shown(info.name)}")
        if info.start % alignment:
            raise _Malformed(f"tensor {shown(info.name)} at offset {info.start}, no multiple of {alignment}")
        tensors[info.name] = TensorInfo(info.name, info.type, info.shape, begin + info.start, info.nbytes)
    before: TensorInfo | None = None
    for info in sorted(tensors.values(), key=lambda info: info.start):
        if before is not None and before.start + before.nbytes > info.start:
            raise _Malformed(f"tensors {shown(before.name)} and {shown(info.name)} overlap")
        before = info
    if before is not None and (end := before.start + before.nbytes) > size:
        raise _CutOff(f"it has {size} bytes and should have {end}, the last of them of tensor {printable(before.name)}")
    return tensors


def _shortest(value: float) -> float:
    """The shortest decimal number that is this 32-bit one: 1e-6, which was meant, and not 9.999999974752427e-07."""
    bits = struct.pack("<f", value)
    decimals = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((d for d in decimals if abs(d) <= _FLOAT32_MAX and struct.pack("<f", d) == bits), value)
