"""The repacked cache file: a model's planes as the device holds them, so that a start only reads and uploads.

Layout: the planes one after the other, then a sealed JSON object (where each is, with a CRC-32 for every part of it,
and which weights files they were made of), then that object's length as u64 and 8 bytes of magic. The end is written
last, so a file that was cut off has none.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from kernelrt.errors import InputError
from kernelrt.gpu.commands import Submission, copying
from kernelrt.gpu.memory import Buffer
from kernelrt.jsonio import Node, seal, unseal
from kernelrt.loading import Destination
from kernelrt.threads import pool
from kernelrt.weights.origin import Origin
from kernelrt.weights.partial import partial_file
from kernelrt.weights.stream import Copy, Fill, Job
from kernelrt.weights.tensor import OpenFile

_PART = 4 << 20  # bytes that have a checksum of their own, and that one thread reads at a time
_ALIGN = 64  # bytes, of a plane in the file and of a part in a staging buffer
_MAGIC = b"KRTPLAN2"
_END = struct.Struct("<Q8s")
_MAX_TABLE = 64 << 20


@dataclass(frozen=True, slots=True)
class _Plane:
    name: str
    start: int
    nbytes: int
    checksums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    key: str
    origins: tuple[Origin, ...]
    planes: tuple[_Plane, ...]


@dataclass(frozen=True, slots=True)
class PlanesFile:
    """An open file whose table is intact; its planes are checked while they are read. `part`: see `part_bytes`."""

    file: OpenFile
    planes: tuple[_Plane, ...]
    part: int

    @staticmethod
    def of(file: OpenFile, key: str, sizes: Mapping[str, int], part: int) -> "PlanesFile":
        """What is in `file`, which must be planes of these sizes under this key. Raises InputError."""
        table = _read_table(file)
        if table.key != key:
            raise InputError(f"{file.path}: damaged (it is of other weights)")
        if {plane.name: plane.nbytes for plane in table.planes} != dict(sizes):
            raise InputError(f"{file.path}: it holds other planes")
        if any(len(plane.checksums) != -(-plane.nbytes // part) for plane in table.planes):
            raise InputError(f"{file.path}: it has other checksums")
        return PlanesFile(file, table.planes, part)

    def jobs(self, destination: Destination) -> Iterator[Job]:
        """Uploads the planes. Their fills raise InputError where a checksum is wrong."""
        capacity = destination.ring[0].nbytes
        fills: list[Fill] = []
        moves: list[Copy] = []
        used = total = 0
        for plane in self.planes:
            for number, begin in enumerate(range(0, plane.nbytes, self.part)):
                nbytes = min(self.part, plane.nbytes - begin)
                if used + nbytes > capacity:
                    yield Job(fills, moves, total)
                    fills, moves, used, total = [], [], 0, 0
                fills.append(partial(self._fill, plane, number, used))
                moves.append(Copy(destination.buffers[plane.name], used, begin, nbytes))
                used += -(-nbytes // _ALIGN) * _ALIGN
                total += nbytes
        if fills:
            yield Job(fills, moves, total)

    def _fill(self, plane: _Plane, number: int, at: int, view: memoryview) -> None:
        begin = number * self.part
        nbytes = min(self.part, plane.nbytes - begin)
        content = view[at : at + nbytes]
        self.file.read(plane.start + begin, content)
        if zlib.crc32(content) != plane.checksums[number]:
            raise InputError(f"{self.file.path}: damaged (a checksum of {plane.name} differs)")


def part_bytes(ring: Sequence[Buffer]) -> int:
    """Bytes that have one checksum: they must fit into a staging buffer."""
    return min(_PART, ring[0].nbytes)


def write_planes(
    path: Path,
    key: str,
    origins: Iterable[Origin],
    planes: Mapping[str, Buffer],
    ring: Sequence[Buffer],
    progress: Callable[[int], None],
) -> None:
    """Reads the planes back from the device and writes them, whole or not at all. Raises OSError.

    `origins`: the weights files that they were made of. `ring` has two members or more; `progress` gets the bytes of
    each part of the work.
    """
    with partial_file(path, durable=False) as file, pool("checksums") as workers:
        written = [_write(file, name, buffer, ring, workers, progress) for name, buffer in planes.items()]
        table = [[plane.name, plane.start, plane.nbytes, list(plane.checksums)] for plane in written]
        made_of = [[_text(origin.path), origin.size, origin.mtime_ns] for origin in origins]
        text = seal({"key": key, "origins": made_of, "planes": table})
        file.write(text + _END.pack(len(text), _MAGIC))


def _write(
    file: BinaryIO,
    name: str,
    buffer: Buffer,
    ring: Sequence[Buffer],
    workers: ThreadPoolExecutor,
    progress: Callable[[int], None],
) -> _Plane:
    file.write(bytes(-file.tell() % _ALIGN))
    start, part, checksums = file.tell(), part_bytes(ring), list[int]()
    step = ring[0].nbytes // part * part
    begins = [*range(0, buffer.nbytes, step), None]
    with ExitStack() as stack:
        reading = _read_back(stack, buffer, 0, ring[0])
        for number, (begin, after) in enumerate(pairwise(begins)):
            assert begin is not None
            reading.wait()
            if after is not None:  # the device copies while this thread writes
                reading = _read_back(stack, buffer, after, ring[(number + 1) % 2])
            content = ring[number % 2].view()[: min(step, buffer.nbytes - begin)]
            parts = [content[at : at + part] for at in range(0, len(content), part)]
            checksums += workers.map(zlib.crc32, parts)
            file.write(content)
            progress(len(content))
    return _Plane(name, start, buffer.nbytes, tuple(checksums))


def _read_back(stack: ExitStack, buffer: Buffer, begin: int, staging: Buffer) -> Submission:
    nbytes = min(staging.nbytes, buffer.nbytes - begin)
    commands = stack.enter_context(copying(buffer.device, buffer.handle, begin, staging.handle, 0, nbytes))
    submission = stack.enter_context(Submission(buffer.device, [commands]))
    submission.start()
    return submission


def origins_of(path: Path) -> tuple[Origin, ...]:
    """The weights files that a file was made of. Raises InputError."""
    with OpenFile(path) as file:
        return _read_table(file).origins


def _read_table(file: OpenFile) -> _Table:
    """Raises InputError where the file's end is not what `write_planes` wrote."""
    try:
        return _table(file)
    except ValueError as error:  # JsonError among them
        raise InputError(f"{file.path}: damaged ({error})") from None


def _table(file: OpenFile) -> _Table:
    if file.size < _END.size:
        raise ValueError("cut off")
    length, magic = _END.unpack(file.bytes(file.size - _END.size, _END.size).tobytes())
    begin = file.size - _END.size - length
    if magic != _MAGIC or length > _MAX_TABLE or begin < 0:
        raise ValueError("cut off, or never finished")
    sealed = unseal(file.bytes(begin, length).tobytes(), "its table")
    members = sealed.members("digest", "key", "origins", "planes")
    planes = tuple(_read_plane(item) for item in members["planes"].items())
    if any(plane.start + plane.nbytes > begin for plane in planes):
        raise ValueError("its planes do not fit into it")
    return _Table(members["key"].text(), tuple(_read_origin(item) for item in members["origins"].items()), planes)


def _read_plane(node: Node) -> _Plane:
    name, start, nbytes, checksums = node.items(4)
    return _Plane(name.text(), start.integer(), nbytes.integer(1), tuple(item.integer() for item in checksums.items()))


def _read_origin(node: Node) -> Origin:
    path, size, mtime_ns = node.items(3)
    return Origin(_path(path.text()), size.integer(), mtime_ns.integer(-(1 << 63)))


def _text(path: Path) -> str:
    """A path's bytes as characters: not every path is Unicode, and JSON is."""
    return os.fsencode(path).decode("latin-1")


def _path(text: str) -> Path:
    return Path(os.fsdecode(text.encode("latin-1")))
