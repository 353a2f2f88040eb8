"""A checkpoint: the tensors of a Gemma 3 by their roles; whether they are a given model's; their way to the device."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from kernelrt.errors import InputError
from kernelrt.loading import Destination, LoadReport
from kernelrt.machine import Progress
from kernelrt.model import ModelSpec
from kernelrt.specfile import printable
from kernelrt.weights.cache import CacheMode
from kernelrt.weights.load import Cached, load
from kernelrt.weights.match import conversions
from kernelrt.weights.slots import Formats, slots
from kernelrt.weights.tensor import OpenFile, Tensor

_COMPARED = 16 << 20  # bytes that are held against one another at a time
# What no weight and no kernel depends on: what the model is called, and which tokens end a text.
_FREE = ("name", "eos_ids")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`tensors` maps roles (kernelrt.weights.names) to the files' tensors, `name_of` gives the files' word for a role.

    `headers` counts the bytes before the data of each file. `model` is what the files themselves say of it (None: a
    safetensors file without a config.json). The norms' weights are the files' plus `norm_offset`.
    """

    path: Path
    files: tuple[OpenFile, ...]
    headers: tuple[int, ...]
    tensors: Mapping[str, Tensor]
    model: ModelSpec | None
    name_of: Callable[[str], str]
    norm_offset: float
    cache: CacheMode

    def check(self, model: ModelSpec, formats: Formats) -> None:
        """Raises InputError unless these are the weights of `model`, every tensor in its shape and no other, and can be
        had in these formats.
        """
        self._same_model(model)
        wanted = slots(model, formats)
        expected: dict[str, tuple[int, ...]] = {}
        for slot in wanted:
            expected |= {p.role: (slot.width,) if slot.is_vector else (p.rows, slot.width) for p in slot.parts}
        other = f"weights of another model than the bundle's {model.name}"
        for role, shape in expected.items():
            tensor = self.tensors.get(role)
            if tensor is None:
                raise InputError(f"{self.path}: tensor {self.name_of(role)} {list(shape)} is missing")
            if tensor.shape != shape:
                found = f"tensor {printable(tensor.name)} has the shape {list(tensor.shape)}, expected {list(shape)}"
                raise InputError(f"{tensor.file.path}: {other}: {found}")
        extra = [tensor for role, tensor in self.tensors.items() if role not in expected and role != "head"]
        if extra:
            raise InputError(f"{extra[0].file.path}: {other}: tensor {printable(extra[0].name)} is not in it")
        if (head := self.tensors.get("head")) is not None:
            self._tied(head, self.tensors["embedding"])
        conversions(self.tensors, wanted, formats, self.norm_offset)

    def load(self, destination: Destination, progress: Progress) -> LoadReport:
        """Fills every buffer of the destination, from the repacked cache file where there is one.

        `check` must have passed. Raises InputError for a NaN, an infinity, a number outside of the format's range, and
        a file that cannot be read any more.
        """
        began = time.perf_counter()
        wanted = slots(destination.model, destination.formats)
        sources = conversions(self.tensors, wanted, destination.formats, self.norm_offset)
        exact = all(sources[part.role].is_exact for slot in wanted if not slot.is_vector for part in slot.parts)
        cache = None
        if self.cache == "always" or (self.cache == "auto" and not exact):
            cache = Cached.of(self.files, self.headers, destination)
        what = f"{self.path}, {'bit for bit' if exact else f'converted to {destination.formats.quant}'}"
        loaded = load(what, wanted, sources, cache, destination, progress)
        return replace(loaded, seconds=time.perf_counter() - began)

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        for file in self.files:
            file.close()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _same_model(self, model: ModelSpec) -> None:
        if self.model is None:
            return
        config = self.path.with_name("config.json") if self.path.suffix == ".safetensors" else self.path
        for field in fields(ModelSpec):
            found, expected = getattr(self.model, field.name), getattr(model, field.name)
            if field.name not in _FREE and found != expected:
                raise InputError(
                    f"{self.path}: weights of another model than the bundle's {model.name}: {field.name} is {found}, "
                    f"the bundle has {expected}; build one with `kernelc build --model {config}`"
                )

    def _tied(self, head: Tensor, embedding: Tensor) -> None:
        """Gemma 3 has one matrix at both ends; a file may repeat it, and may not have another one."""
        same = head.encoding == embedding.encoding and head.shape == embedding.shape
        step = max(1, _COMPARED // embedding.row_bytes)
        for first in range(0, embedding.shape[0] if same else 0, step):
            count = min(step, embedding.shape[0] - first)
            same = same and np.array_equal(head.rows(first, count), embedding.rows(first, count))
        if not same:
            raise InputError(
                f"{head.file.path}: tensor {printable(head.name)} differs from {printable(embedding.name)}: "
                "an output matrix of its own is not supported; Gemma 3's is the embedding"
            )
