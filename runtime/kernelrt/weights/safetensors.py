"""safetensors files: an 8-byte length, that many bytes of JSON, and the tensors' data behind it without a gap.

Format: https://github.com/huggingface/safetensors#format. A file is not trusted: no length or offset in it is used
before it was held against the file's size.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, cast

from kernelrt.errors import InputError
from kernelrt.specfile import kind_of, open_file, printable, shown

_MAX_HEADER = 16 << 20  # bytes; a shard of the 27B has a few thousand tensor names of a hundred bytes
_MAX_DIMENSIONS, _MAX_SIZE = 8, 1 << 48
DTYPE_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "BOOL": 1,
        "U8": 1,
        "I8": 1,
        "F8_E4M3": 1,
        "F8_E5M2": 1,
        "U16": 2,
        "I16": 2,
        "F16": 2,
        "BF16": 2,
        "U32": 4,
        "I32": 4,
        "F32": 4,
        "U64": 8,
        "I64": 8,
        "F64": 8,
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor of the file: its bytes lie at `start`, counted from the file's begin."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """`nbytes`: of the length, the JSON and the padding; the data begins there."""

    entries: tuple[Entry, ...]
    nbytes: int


def read_header(path: Path) -> Header:
    """What the file holds, in the order of its data. Raises InputError naming the file and what is wrong in it."""
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise _Malformed(f"a header of {length} bytes in a file of {size}; was the download cut off?")
            if length > _MAX_HEADER:
                raise _Malformed(f"a header of {length} bytes is longer than any model's ({_MAX_HEADER >> 20} MiB)")
            text = file.read(length)
        return Header(_entries(_parse(text), 8 + length, size), 8 + length)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except _Malformed as error:
        raise InputError(f"{path}: not a usable safetensors file: {error}") from None


class _Malformed(Exception):
    """The bytes are not a safetensors file."""


def parse_object(text: bytes) -> dict[str, object]:
    """A JSON object without duplicate keys, NaN or numbers of absurd length. ValueError or RecursionError else."""

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in items:
            if key in found:
                raise ValueError(f"the key {shown(key)} occurs twice")
            found[key] = value
        return found

    def constant(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    value: object = json.loads(text.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {kind_of(value)}")
    return cast(dict[str, object], value)


def _parse(text: bytes) -> dict[str, object]:
    try:
        return parse_object(text)
    except RecursionError:
        raise _Malformed("its header is nested too deeply") from None
    except ValueError as error:
        raise _Malformed(f"its header is not JSON: {printable(str(error))}") from None


def _entries(table: dict[str, object], begin: int, size: int) -> tuple[Entry, ...]:
    entries = sorted(
        (_entry(name, value, begin) for name, value in table.items() if name != "__metadata__"),
        key=lambda entry: (entry.start, entry.nbytes),
    )
    at = begin
    for entry in entries:
        if entry.start != at:
            how = "overlaps the tensor before it" if entry.start < at else "does not begin where the one before it ends"
            raise _Malformed(f"tensor {shown(entry.name)} {how}")
        at += entry.nbytes
    if at != size:
        raise _Malformed(f"it has {size} bytes and should have {at}; download it again")
    return tuple(entries)


def _entry(name: str, value: object, begin: int) -> Entry:
    if not isinstance(value, dict):
        raise _Malformed(f"tensor {shown(name)}: expected an object, found {kind_of(value)}")
    fields = cast(dict[str, object], value)
    if set(fields) != {"dtype", "shape", "data_offsets"}:
        raise _Malformed(f"tensor {shown(name)} has the fields {shown(sorted(fields))}")
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise _Malformed(f"tensor {shown(name)} has the unknown dtype {shown(dtype)}")
    shape = _sizes(name, "shape", fields["shape"])
    offsets = _sizes(name, "data_offsets", fields["data_offsets"])
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _Malformed(f"tensor {shown(name)} has the impossible data_offsets {shown(list(offsets))}")
    nbytes = math.prod(shape) * DTYPE_BYTES[dtype]
    if offsets[1] - offsets[0] != nbytes:
        what = f"tensor {shown(name)} {dtype} {list(shape)}"
        raise _Malformed(f"{what} takes {nbytes} bytes, and its data_offsets span {offsets[1] - offsets[0]}")
    return Entry(name, dtype, shape, begin + offsets[0], nbytes)


def _sizes(name: str, field: str, value: object) -> tuple[int, ...]:
    items = cast(list[object], value) if isinstance(value, list) else [None]
    if len(items) <= _MAX_DIMENSIONS:
        sizes = [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
        if len(sizes) == len(items) and all(0 <= item <= _MAX_SIZE for item in sizes):
            return tuple(sizes)
    raise _Malformed(f"tensor {shown(name)} has the impossible {field} {shown(cast(object, value))}")
