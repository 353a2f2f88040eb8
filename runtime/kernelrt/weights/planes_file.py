"""The repacked cache file: a model's planes as the device holds them, so that a start only maps and uploads.

Layout: the planes one after the other, then a sealed JSON object (where each is, with a CRC-32 for every part of it),
then that object's length as u64 and 8 bytes of magic. The end is written last, so a file that was cut off has none.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kernelrt.errors import InputError
from kernelrt.gpu.commands import Submission, copying
from kernelrt.gpu.memory import Buffer
from kernelrt.jsonio import JsonError, Node, seal, unseal
from kernelrt.loading import Destination
from kernelrt.weights.partial import partial_file
from kernelrt.weights.stream import Copy, Fill, Job, threads
from kernelrt.weights.tensor import FileMap

_PART = 4 << 20  # bytes that have a checksum of their own, and that one thread reads at a time
_ALIGN = 64  # bytes, of a plane in the file and of a part in a staging buffer
_MAGIC = b"KRTPLAN1"
_END = struct.Struct("<Q8s")
_MAX_TABLE = 64 << 20


class PlanesFileError(Exception):
    """The file cannot be used: it is damaged, or of something else."""


@dataclass(frozen=True, slots=True)
class _Plane:
    name: str
    start: int
    nbytes: int
    checksums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlanesFile:
    """An open file whose table is intact; its planes are checked while they are read. `part`: see `part_bytes`."""

    file: FileMap
    planes: tuple[_Plane, ...]
    part: int

    @staticmethod
    def open(path: Path, key: str, sizes: Mapping[str, int], part: int) -> "PlanesFile":
        """The file at `path`, which must hold planes of these sizes under this key. Raises PlanesFileError."""
        try:
            file = FileMap(path)
        except InputError as error:
            raise PlanesFileError(str(error)) from None
        try:
            planes = _read_table(file, key)
        except (JsonError, ValueError) as error:
            raise PlanesFileError(f"{path}: damaged ({error})") from None
        if {plane.name: plane.nbytes for plane in planes} != dict(sizes):
            raise PlanesFileError(f"{path}: it holds other planes")
        if any(len(plane.checksums) != -(-plane.nbytes // part) for plane in planes):
            raise PlanesFileError(f"{path}: it has other checksums")
        return PlanesFile(file, planes, part)

    def jobs(self, destination: Destination) -> Iterator[Job]:
        """Uploads the planes. Their fills raise PlanesFileError where a checksum is wrong."""
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
        content = self.file.bytes(plane.start + begin, nbytes)
        if zlib.crc32(content.data) != plane.checksums[number]:
            raise PlanesFileError(f"{self.file.path}: damaged (a checksum of {plane.name} differs)")
        np.frombuffer(view, np.uint8, nbytes, at)[:] = content
        self.file.release(plane.start + begin, nbytes)


def part_bytes(ring: Sequence[Buffer]) -> int:
    """Bytes that have one checksum: they must fit into a staging buffer."""
    return min(_PART, ring[0].nbytes)


def write_planes(
    path: Path, key: str, planes: Mapping[str, Buffer], ring: Sequence[Buffer], progress: Callable[[int], None]
) -> None:
    """Reads the planes back from the device and writes them, whole or not at all. Raises OSError.

    `ring` has two members or more; `progress` gets the bytes of each part of the work.
    """
    with partial_file(path, durable=False) as file, ThreadPoolExecutor(threads(), "checksums") as pool:
        written = [_write(file, name, buffer, ring, pool, progress) for name, buffer in planes.items()]
        table = [[plane.name, plane.start, plane.nbytes, list(plane.checksums)] for plane in written]
        text = seal({"key": key, "planes": table})
        file.write(text + _END.pack(len(text), _MAGIC))


def _write(
    file: BinaryIO,
    name: str,
    buffer: Buffer,
    ring: Sequence[Buffer],
    pool: ThreadPoolExecutor,
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
            checksums += pool.map(zlib.crc32, parts)
            file.write(content)
            progress(len(content))
    return _Plane(name, start, buffer.nbytes, tuple(checksums))


def _read_back(stack: ExitStack, buffer: Buffer, begin: int, staging: Buffer) -> Submission:
    nbytes = min(staging.nbytes, buffer.nbytes - begin)
    commands = stack.enter_context(copying(buffer.device, buffer.handle, begin, staging.handle, 0, nbytes))
    submission = stack.enter_context(Submission(buffer.device, [commands]))
    submission.start()
    return submission


def _read_table(file: FileMap, key: str) -> tuple[_Plane, ...]:
    """Raises JsonError or ValueError where the file's end is not what `write_planes` wrote."""
    if file.size < _END.size:
        raise ValueError("cut off")
    length, magic = _END.unpack(file.bytes(file.size - _END.size, _END.size).tobytes())
    begin = file.size - _END.size - length
    if magic != _MAGIC or length > _MAX_TABLE or begin < 0:
        raise ValueError("cut off, or never finished")
    members = unseal(file.bytes(begin, length).tobytes(), "its table").members("digest", "key", "planes")
    if members["key"].text() != key:
        raise ValueError("it is of other weights")
    planes = tuple(_read_plane(item) for item in members["planes"].items())
    if any(plane.start + plane.nbytes > begin for plane in planes):
        raise ValueError("its planes do not fit into it")
    return planes


def _read_plane(node: Node) -> _Plane:
    name, start, nbytes, checksums = node.items(4)
    return _Plane(name.text(), start.integer(), nbytes.integer(1), tuple(item.integer() for item in checksums.items()))
