"""What weights are loaded into, whatever they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kernelrt.abi import KernelEntry
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.machine import Progress
from kernelrt.model import ModelSpec
from kernelrt.weights.slots import Formats


@dataclass(frozen=True, slots=True)
class Repack:
    """A `repack` kernel of the bundle with its pipeline."""

    kernel: KernelEntry
    pipeline: Pipeline

    def grid(self, blocks: int) -> tuple[int, int, int]:
        """Workgroups that move so many GGUF blocks."""
        x, y, z = (dim.size(rows=blocks) for dim in self.kernel.grid)
        return x, y, z


@dataclass(frozen=True, slots=True)
class Destination:
    """The buffers of a model's tensors by name (kernelrt.weights.slots), and what filling them takes.

    `repack` are the bundle's `repack` kernels by format; `ring` staging buffers of one size, which the host sees,
    `params` a buffer of run-time scalars for each. `raw`: for each of the ring one in the device's own memory, where
    kernels would read the host's over a bus; none on a device that shares the host's memory.
    """

    device: Device
    model: ModelSpec
    formats: Formats
    buffers: Mapping[str, Buffer]
    repack: Mapping[str, Repack]
    ring: Sequence[Buffer]
    params: Sequence[Buffer]
    raw: Sequence[Buffer] = ()


@dataclass(frozen=True, slots=True)
class LoadReport:
    """How loading went. `host_peak_bytes`: staging and scratch, beyond the files' own pages. `how`: where the weights
    came from, in words; `notes`: what the user should know beside (a cache file that could not be written).
    """

    seconds: float
    bytes_read: int
    bytes_uploaded: int
    host_peak_bytes: int
    how: str
    notes: tuple[str, ...] = ()


class Weights(Protocol):
    """Where weights come from: a checkpoint, or a random generator."""

    def check(self, model: ModelSpec, formats: Formats) -> None:
        """Raises InputError where they are not for this model, or cannot be had in these formats."""
        ...

    def load(self, destination: Destination, progress: Progress) -> LoadReport:
        """Fills every buffer of the destination. Raises InputError for values that are no numbers."""
        ...
