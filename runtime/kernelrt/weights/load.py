"""Loading: converted from a checkpoint, or from the repacked cache file of an earlier load."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kernelrt.errors import InputError
from kernelrt.gpu.memory import Buffer
from kernelrt.loading import Destination, LoadReport
from kernelrt.machine import Progress
from kernelrt.threads import threads
from kernelrt.weights.cache import cache_key, cache_path
from kernelrt.weights.collect import collect
from kernelrt.weights.convert import Conversion, scratch_bytes
from kernelrt.weights.origin import Origin
from kernelrt.weights.pieces import jobs
from kernelrt.weights.planes_file import PlanesFile, part_bytes, write_planes
from kernelrt.weights.slots import Slot
from kernelrt.weights.stream import counted, stream
from kernelrt.weights.tensor import OpenFile

_SPARE = 1 << 20  # bytes of a cache file beside its planes, at the most


@dataclass(frozen=True, slots=True)
class Cached:
    """A repacked cache file of `origins`, which may be there or not."""

    path: Path
    key: str
    origins: tuple[Origin, ...]

    @staticmethod
    def of(files: Sequence[OpenFile], headers: Sequence[int], destination: Destination) -> "Cached":
        part = part_bytes(destination.ring)
        key = cache_key(files, headers, destination.model, destination.formats, part)
        return Cached(cache_path(key), key, tuple(file.origin for file in files))


def load(
    what: str,
    slots: Sequence[Slot],
    sources: Mapping[str, Conversion],
    cache: Cached | None,
    destination: Destination,
    progress: Progress,
) -> LoadReport:
    """Fills the slots, and writes the cache file if it was not there; `what` describes the sources.

    A cache file that cannot be used or written is a note of the report, not an error; so is one that was removed with
    its weights gone. Raises InputError for values that no format holds, and weights that cannot be read any more.
    """
    planes = {name: nbytes for slot in slots for name, nbytes in slot.planes().items()}
    ring = sum(buffer.nbytes for buffer in destination.ring)
    notes: list[str] = []
    if cache is not None and cache.path.exists():
        try:
            return _from_cache(cache, planes, destination, progress)
        except InputError as error:
            notes.append(f"the cache file of the weights cannot be used and is made again: {error}")
    read = sum(conversion.source.nbytes for conversion in sources.values())
    stream(jobs(slots, sources, destination), destination, counted(progress, "weights", read))
    scratch = threads() * scratch_bytes(max(slot.width for slot in slots))
    report = LoadReport(0.0, read, sum(planes.values()), ring + scratch, what)
    if cache is None:
        return report
    buffers = {name: destination.buffers[name] for name in planes}
    notes += _write(cache, buffers, destination.ring, progress)
    return replace(report, notes=tuple(notes))


def _from_cache(cache: Cached, planes: Mapping[str, int], destination: Destination, progress: Progress) -> LoadReport:
    """InputError where it cannot be used."""
    total = sum(planes.values())
    with OpenFile(cache.path) as file:
        found = PlanesFile.of(file, cache.key, planes, part_bytes(destination.ring))
        stream(found.jobs(destination), destination, counted(progress, "weights", total))
    ring = sum(buffer.nbytes for buffer in destination.ring)
    return LoadReport(0.0, total, total, ring, f"repacked cache file {cache.path}")


def _write(cache: Cached, planes: Mapping[str, Buffer], ring: Sequence[Buffer], progress: Progress) -> Iterable[str]:
    """Gives what the user should know: that the file cannot be written, or which others went."""
    total = sum(buffer.nbytes for buffer in planes.values())
    try:
        cache.path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache.path.parent).free
        if free < total + _SPARE:
            return [f"no cache file of the weights: {cache.path.parent} has {free} bytes free, {total} are needed"]
        write_planes(cache.path, cache.key, cache.origins, planes, ring, counted(progress, "weights cache", total))
    except OSError as error:
        return [f"no cache file of the weights: {cache.path}: {error.strerror or error}"]
    return collect(cache.path.parent)
