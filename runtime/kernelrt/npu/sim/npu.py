"""The simulator as an NPU (kernelrt.npu.run.Npu): what it is given it reads and writes where it lies."""

import ctypes
import mmap
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernelrt.abi import NpuArgument, NpuEntry
from kernelrt.npu.errors import NpuError
from kernelrt.npu.run import PAGE, Bound, Buffer, Kernel, check_bound, check_pages
from kernelrt.npu.sim.arguments import numpy_dtypes
from kernelrt.npu.sim.machine import Simulator
from kernelrt.npu.sim.report import Report
from kernelrt.npu.text.load import load


@dataclass(frozen=True, slots=True)
class _Arrays:
    """The memory of a sequence's arguments."""

    arrays: tuple[NDArray[np.generic], ...]


def _array(argument: NpuArgument, address: int) -> NDArray[np.generic]:
    memory = memoryview((ctypes.c_uint8 * argument.nbytes).from_address(address))
    return np.frombuffer(memory, np.dtype(numpy_dtypes(argument.dtype)[0]))


@dataclass(frozen=True, slots=True)
class _Started:
    """Runs that wait for their turn in the simulator's thread."""

    runs: Sequence[Future[Report]]

    def done(self) -> bool:
        """Whether all have ended, well or not."""
        return all(run.done() for run in self.runs)

    def wait(self, timeout: float) -> None:
        """Raises what the first failing run raised, NpuError where they do not end within `timeout` seconds."""
        if wait(self.runs, timeout).not_done:
            raise NpuError(f"the simulated NPU did not end within {timeout:g} s")
        for run in self.runs:
            run.result()


class SimulatedNpu:
    """Simulates each kernel's design on a machine of its own, one run after the other, in one thread of its own."""

    name = "NPU simulator (npu1)"
    level: Literal["measured", "simulated"] = "simulated"

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "npu")
        self._simulators: dict[str, Simulator] = {}
        self._pages: list[mmap.mmap] = []
        self._closed = False

    def load(self, entry: NpuEntry, files: Mapping[str, bytes]) -> Kernel:
        """Parses, verifies and builds the design. DesignError."""
        if entry.name not in self._simulators:
            design = load(files["mlir"].decode(), f"{entry.name}.mlir")
            self._simulators[entry.name] = self._thread.submit(Simulator, design).result()
        return Kernel(entry, self._simulators[entry.name])

    def allocate(self, nbytes: int) -> Buffer:
        """New memory in whole pages, zeroed."""
        pages = mmap.mmap(-1, -(-nbytes // PAGE) * PAGE)
        self._pages.append(pages)
        return self.share(ctypes.addressof(ctypes.c_char.from_buffer(pages)), len(pages))

    def share(self, address: int, nbytes: int) -> Buffer:
        """Memory that is there already."""
        check_pages(address, nbytes)
        return Buffer(address, nbytes, None)

    def part(self, buffer: Buffer, offset: int, nbytes: int) -> Buffer:
        """Pages of a buffer."""
        return self.share(buffer.address + offset, nbytes)

    def bind(self, kernel: Kernel, sequence: str, buffers: Sequence[Buffer]) -> Bound:
        """A sequence of the kernel with its arguments' buffers, in their order."""
        check_bound(kernel.entry, sequence, buffers)
        pairs = zip(kernel.entry.arguments, buffers, strict=True)
        arrays = _Arrays(tuple(_array(argument, buffer.address) for argument, buffer in pairs))
        return Bound(kernel, sequence, tuple(buffers), arrays)

    def start(self, runs: Sequence[Bound]) -> _Started:
        """Starts them one behind the other, and returns. NpuError once it was closed."""
        if self._closed:
            raise NpuError(f"the {self.name} can no longer be used: it was closed")
        return _Started([self._thread.submit(self._run, run) for run in runs])

    def _run(self, run: Bound) -> Report:
        simulator, arrays = run.kernel.handle, run.handle
        assert isinstance(simulator, Simulator)
        assert isinstance(arrays, _Arrays)
        return simulator.run(run.sequence, arrays.arrays)

    def close(self) -> None:
        """Ends the thread; memory that was allocated goes with the last that uses it."""
        self._closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._simulators.clear()
