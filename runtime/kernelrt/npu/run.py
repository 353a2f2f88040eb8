"""What runs kernels on an NPU, real or simulated: the one interface behind which XRT and the simulator stand.

A kernel is loaded once, its buffers are bound to it once, and what is bound is started again and again. Which of the
devices runs an operation is decided before a run and is the engine's affair: nothing here changes it.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kernelrt.abi import NpuEntry
from kernelrt.npu.errors import NpuError

PAGE = 4096  # bytes; what is shared begins and ends at a page


@dataclass(frozen=True, slots=True)
class Kernel:
    """A loaded kernel; `handle` is its device's own."""

    entry: NpuEntry
    handle: object


@dataclass(frozen=True, slots=True)
class Buffer:
    """Host memory that the device reads and writes where it lies: `nbytes` at `address` of this process."""

    address: int
    nbytes: int
    handle: object

    def view(self) -> memoryview:
        """The bytes themselves, writable."""
        return memoryview((ctypes.c_uint8 * self.nbytes).from_address(self.address)).cast("B")


@dataclass(frozen=True, slots=True)
class Bound:
    """A sequence of a kernel with the buffers of its arguments, ready to be started any number of times, once at a
    time."""

    kernel: Kernel
    sequence: str
    buffers: tuple[Buffer, ...]
    handle: object


class Pending(Protocol):
    """Runs that were started."""

    def done(self) -> bool:
        """Whether all have ended, well or not. NpuError where the device cannot say."""
        ...

    def wait(self, timeout: float) -> None:
        """Returns when all have ended and their results are in the buffers.

        NpuError where one failed, or did not end within `timeout` seconds.
        """
        ...


class Npu(Protocol):
    """A device. `level` is the evidence of a figure taken on it. After an NpuError of a run its state is not known:
    every later call raises NpuError again."""

    @property
    def name(self) -> str: ...
    @property
    def level(self) -> Literal["measured", "simulated"]: ...

    def load(self, entry: NpuEntry, files: Mapping[str, bytes]) -> Kernel:
        """Takes a kernel's files by role; the same kernel twice is loaded once. NpuError, DesignError."""
        ...

    def allocate(self, nbytes: int) -> Buffer:
        """New memory in whole pages, zeroed. NpuError."""
        ...

    def share(self, address: int, nbytes: int) -> Buffer:
        """Memory that is there already, of whole pages, which the caller keeps for as long as the device is open.

        No byte of it is copied, ever: NpuError where the device cannot use it where it lies.
        """
        ...

    def part(self, buffer: Buffer, offset: int, nbytes: int) -> Buffer:
        """Whole pages of a buffer, `nbytes` of them from byte `offset` on, as a buffer of their own. NpuError."""
        ...

    def bind(self, kernel: Kernel, sequence: str, buffers: Sequence[Buffer]) -> Bound:
        """A sequence of the kernel with its arguments' buffers, in their order. NpuError where they do not fit."""
        ...

    def start(self, runs: Sequence[Bound]) -> Pending:
        """Starts them one behind the other without the host between them, and returns. NpuError."""
        ...

    def close(self) -> None:
        """Gives everything back."""
        ...


def check_pages(address: int, nbytes: int) -> None:
    """NpuError for memory that cannot be shared: an import takes whole pages, and nothing beside them may be there."""
    if nbytes <= 0 or address % PAGE or nbytes % PAGE:
        raise NpuError(f"memory at {address:#x} of {nbytes} bytes cannot be shared: it is no whole pages of {PAGE}")


def check_bound(entry: NpuEntry, sequence: str, buffers: Sequence[Buffer]) -> None:
    """NpuError where the kernel has no such sequence, or buffers are not those of its arguments: their number, a size,
    or an overlap with what is written (the channels of an NPU run side by side)."""
    if sequence not in entry.sequences:
        raise NpuError(f"{entry.name} has no sequence {sequence!r}: it has {', '.join(entry.sequences)}")
    arguments = entry.arguments
    if len(buffers) != len(arguments):
        raise NpuError(f"{entry.name} takes {len(arguments)} buffers, got {len(buffers)}")
    for argument, buffer in zip(arguments, buffers, strict=True):
        if buffer.nbytes < argument.nbytes:
            raise NpuError(f"{entry.name}: {argument.name} needs {argument.nbytes} bytes, got {buffer.nbytes}")
    spans = sorted(
        (buffer.address, buffer.address + argument.nbytes, argument.name, argument.access != "r")
        for argument, buffer in zip(arguments, buffers, strict=True)
    )
    for i, (_, end, name, written) in enumerate(spans):
        for begin, _, other, also in spans[i + 1 :]:
            if begin < end and (written or also):
                raise NpuError(f"{entry.name}: the memory of {name} and {other} overlaps, and one of them is written")


def flushes(runs: Sequence[Bound]) -> tuple[list[Buffer], list[Buffer]]:
    """The buffers whose caches the host hands over before a chain of runs, and those it takes back after it.

    What an earlier run of the chain wrote is not the host's to hand over; each buffer is there once.
    """
    before: dict[int, Buffer] = {}
    after: dict[int, Buffer] = {}
    for run in runs:
        pairs = list(zip(run.kernel.entry.arguments, run.buffers, strict=True))
        for argument, buffer in pairs:
            if argument.access != "w" and buffer.address not in after:
                before[buffer.address] = buffer
        after |= {buffer.address: buffer for argument, buffer in pairs if argument.access != "r"}
    return list(before.values()), list(after.values())
