"""Where the repacked cache file of a checkpoint lies, and its key: another file, model or format has another key."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kernelrt.jsonio import canonical
from kernelrt.model import ModelSpec
from kernelrt.weights.slots import Formats
from kernelrt.weights.tensor import OpenFile

CacheMode = Literal["auto", "always", "off"]
SUFFIX = ".planes"
VERSION = 1  # of what the planes of a format are (kernelrt.quant) and of how floats are converted
_SAMPLES, _SAMPLE = 64, 4096  # pages of each file that are part of the key, and their bytes
_SMALL = 64 << 20  # bytes of a file that is hashed whole
_READ = 1 << 20  # bytes that are read at a time


def cache_path(key: str) -> Path:
    """The cache file of a key, below $KERNELRT_CACHE, else $XDG_CACHE_HOME/kernelrt, else ~/.cache/kernelrt."""
    if own := os.environ.get("KERNELRT_CACHE"):
        folder = Path(own)
    elif base := os.environ.get("XDG_CACHE_HOME"):
        folder = Path(base) / "kernelrt"
    else:
        folder = Path.home() / ".cache" / "kernelrt"
    return folder / "weights" / f"{key}{SUFFIX}"


def cache_key(files: Sequence[OpenFile], headers: Sequence[int], model: ModelSpec, formats: Formats, part: int) -> str:
    """SHA-256 in hexadecimal over what the planes depend on; `part` is that of kernelrt.weights.planes_file.

    Hashing 50 GB would take longer than converting them. A file is known by its size, its time of modification, its
    header and some pages spread over its data (a small one by all of it), wherever it lies and whatever it is called.
    """
    parts: dict[str, object] = {
        "version": VERSION,
        "files": [_identity(file, header) for file, header in zip(files, headers, strict=True)],
        "model": {key: value for key, value in model.describe().items() if key not in ("name", "eos_ids")},
        "formats": [formats.quant, formats.embedding],
        "part": part,
    }
    return hashlib.sha256(canonical(parts)).hexdigest()


def _identity(file: OpenFile, header: int) -> list[object]:
    whole = file.size if file.size <= _SMALL else header
    samples = (header + (file.size - header) * i // _SAMPLES for i in range(_SAMPLES))
    ranges = [(at, min(at + _READ, whole)) for at in range(0, whole, _READ)]
    ranges += [(at, min(at + _SAMPLE, file.size)) for at in samples]
    digest = hashlib.sha256()
    for start, end in ranges:
        digest.update(file.bytes(start, end - start).data)
    return [file.size, file.origin.mtime_ns, digest.hexdigest()]
