"""Weights files of random numbers, for tests and measurements: written as a stream, whole or not at all."""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kernelrt.atomic import write_new
from kernelrt.errors import FileError, InputError
from kernelrt.machine import Progress
from kernelrt.model import ModelSpec
from kernelrt.threads import pool, threads
from kernelrt.weights.arrays import reshape, view
from kernelrt.weights.folder_layout import folder_layout
from kernelrt.weights.gguf_layout import gguf_layout
from kernelrt.weights.layout import FileLayout, Planned
from kernelrt.weights.partial import partial_file, partial_folder
from kernelrt.weights.q6_k import q6_k
from kernelrt.weights.quantize import Values, q4_0, q8_0
from kernelrt.weights.synthetic import chunks, values
from kernelrt.weights.tensor import BF16, F16, F32, Q4_0, Q6_K, Q8_0, Bytes, Encoding

SHARD_BYTES = 4 << 30
FOLDER_FORMATS = {encoding.name: encoding for encoding in (BF16, F16, F32)}
GGUF_FORMATS = {encoding.name: encoding for encoding in (Q4_0, Q8_0, F16, BF16, F32, Q6_K)}
_BLOCKS = {"q4_0": q4_0, "q8_0": q8_0, "q6_k": q6_k}


def make_weights(
    model: ModelSpec,
    out: Path,
    seed: int = 0,
    format: str = "",
    embedding: str = "",
    progress: Progress | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes random, well-scaled weights of `model` that are the same for a seed everywhere.

    A path that ends in .gguf becomes a GGUF file, whose matrices have `format` (q4_0, q8_0, f16, bf16 or f32; q4_0
    where not given) and whose embedding has `embedding` (those, or q6_k; the same as the matrices). Any other path
    becomes a folder as Hugging Face has it, in bf16, f16 or f32 (bf16 where not given), with files of `shard_bytes`.
    Raises InputError for formats that the file or the model cannot have, FileError where it cannot be written.
    """
    gguf = out.suffix.lower() == ".gguf"
    small: dict[str, bytes] = {}
    try:
        if gguf:
            body = _format("format", format or "q4_0", {k: v for k, v in GGUF_FORMATS.items() if k != "q6_k"})
            head = _format("embedding format", embedding or body.name, GGUF_FORMATS)
            files = [gguf_layout(model, body, head, out.name)]
        else:
            if embedding:
                raise InputError(f"{out}: an embedding in a format of its own is for a .gguf file")
            body = _format("format", format or "bf16", FOLDER_FORMATS)
            files, small = folder_layout(model, body, shard_bytes)
    except ValueError as error:
        raise InputError(f"{model.name}: {error}") from None
    total = sum(file.nbytes for file in files)
    _must_be_writable(out, total)
    writer = _Writer(seed, gguf, total, progress)
    try:
        if gguf:
            with partial_file(out, durable=True) as file:
                writer.write(file, files[0])
        else:
            with partial_folder(out) as folder:
                for layout in files:
                    with (folder / layout.name).open("xb") as file:
                        writer.write(file, layout)
                for name, content in small.items():
                    write_new(folder / name, content)
    except OSError as error:
        raise FileError(f"{out}: cannot be written: {error.strerror or error} ({total} bytes are needed)") from None


def _format(what: str, name: str, known: dict[str, Encoding]) -> Encoding:
    if name not in known:
        raise InputError(f"unknown {what} '{name}' (known: {', '.join(known)})")
    return known[name]


def _must_be_writable(out: Path, total: int) -> None:
    """Minutes before the first byte that does not fit, and before anything is there."""
    try:
        if out.exists() or out.is_symlink():
            raise FileError(f"{out}: is there already; remove it or choose another place")
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
    except OSError as error:
        raise FileError(f"{out}: cannot be written: {error.strerror or error}") from None
    if free < total:
        raise FileError(f"{out}: cannot be written: {total} bytes are needed, {free} are free")


class _Writer:
    """Makes the numbers in threads and writes them in their order."""

    def __init__(self, seed: int, gguf: bool, total: int, progress: Progress | None) -> None:
        self._seed = seed
        self._gguf = gguf
        self._total = total
        self._progress = progress
        self._done = 0

    def write(self, file: BinaryIO, layout: FileLayout) -> None:
        self._put(file, layout.header)
        with pool("numbers") as workers:
            waiting: deque[Future[Bytes]] = deque()
            for work in self._work(layout):
                waiting.append(workers.submit(work))
                if len(waiting) > 2 * threads():
                    self._put(file, waiting.popleft().result().data)
            while waiting:
                self._put(file, waiting.popleft().result().data)

    def _work(self, layout: FileLayout) -> Iterator[Callable[[], Bytes]]:
        for tensor in layout.tensors:
            for first, count in chunks(tensor.rows, tensor.width):
                last = first + count == tensor.rows
                padding = -tensor.nbytes % layout.alignment if last else 0
                yield lambda t=tensor, f=first, c=count, p=padding: self._bytes(t, f, c, p)

    def _bytes(self, tensor: Planned, first: int, count: int, padding: int) -> Bytes:
        is_vector = len(tensor.shape) == 1
        x = values(self._seed, tensor.role, first, count, tensor.width, is_vector)
        if is_vector and self._gguf:
            x = np.add(x, np.float32(1), dtype=np.float32)
        encoded = reshape(_encode(x, tensor.encoding), -1)
        return np.concatenate([encoded, np.zeros(padding, np.uint8)]) if padding else encoded

    def _put(self, file: BinaryIO, data: bytes | memoryview) -> None:
        file.write(data)
        self._done += len(data)
        if self._progress is not None:
            self._progress("weights", self._done, self._total)


def _encode(x: Values, encoding: Encoding) -> Bytes:
    if not encoding.is_float:
        return _BLOCKS[encoding.name](reshape(x, -1, encoding.block))
    if encoding == BF16:  # each value is one
        return view((view(x, np.uint32) >> np.uint32(16)).astype(np.uint16), np.uint8)
    return view(x if encoding == F32 else x.astype(np.float16), np.uint8)
