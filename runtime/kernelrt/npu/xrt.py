"""The NPU through XRT (`pyxrt`).

NOT RUN ON HARDWARE: no NPU was at hand. What was seen: every name and signature used is in the `pyxrt` of XRT 2.25, its
xclbin class reads normalised xclbins, and without a device it ends in the errors below. What a device does was not.

NOTES: the host calls a kernel of mlir-aie with opcode 3, its instructions, their number of words, and its buffers. A
hardware context keeps the array configured and executes its runs in the order of their start; device, contexts,
kernels, instructions and runs live as long as the device is open, and nothing is allocated to start a run. `pyxrt`
holds Python's lock while it waits, so waiting goes in short slices.
"""

import ctypes
import hashlib
import json
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

from kernelrt.abi import NpuEntry, insts_role
from kernelrt.npu.errors import NpuError
from kernelrt.npu.pyxrt_api import Bo, Device, Pyxrt, Run, State, XrtKernel, load
from kernelrt.npu.run import PAGE, Bound, Buffer, Kernel, check_bound, check_pages, flushes

OPCODE = 3  # of a kernel that is a stream of instructions
_LEADING = 3  # arguments before the buffers: opcode, instructions, their number
_KERNEL = "MLIR_AIE"  # aiecc's name of the kernel in an xclbin
_SLICE_MS = 5
_RUNNING = ("ERT_CMD_STATE_NEW", "ERT_CMD_STATE_QUEUED", "ERT_CMD_STATE_SUBMITTED")
_COMPLETED = "ERT_CMD_STATE_COMPLETED"
_FATES = {
    "ERT_CMD_STATE_ERROR": "ended in an error",
    "ERT_CMD_STATE_ABORT": "was aborted",
    "ERT_CMD_STATE_TIMEOUT": "hung until the driver stopped it",
    "ERT_CMD_STATE_NORESPONSE": "got no answer: the NPU does not respond",
    "ERT_CMD_STATE_SKERROR": "ended in an error of the NPU's firmware",
    "ERT_CMD_STATE_SKCRASHED": "crashed the NPU's firmware",
}


def fate(state: str) -> str | None:
    """What became of a run that ended in a state of XRT's (ert_cmd_state); None where all went well."""
    return None if state == _COMPLETED else _FATES.get(state, f"ended in the unknown state {state}")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A kernel of a hardware context, with each sequence's instructions and their number of words."""

    kernel: XrtKernel
    context: object
    instructions: Mapping[str, tuple[Bo, int]]


class XrtNpu:
    """An NPU (kernelrt.npu.run.Npu). Not for several threads at once."""

    level: Literal["measured", "simulated"] = "measured"

    def __init__(self, pyxrt: Pyxrt, device: Device, name: str) -> None:
        self.name = name
        self._pyxrt = pyxrt
        self._device = device
        self._lost: str | None = None
        self._kernels: dict[str, _Loaded] = {}
        self._shared: dict[tuple[int, int], Buffer] = {}

    @staticmethod
    def open(index: int = 0) -> "XrtNpu":
        """The NPU of that number. NpuError where XRT, its driver or the device is not there."""
        pyxrt = load()
        with _told("XRT does not find its devices"):
            count = pyxrt.enumerate_devices()
        if not 0 <= index < count:
            advice = "is the driver amdxdna loaded, and may this user open /dev/accel/accel0?"
            raise NpuError(f"no NPU {index}: XRT sees {count} devices; {advice}")
        with _told(f"NPU {index} cannot be opened"):
            device = pyxrt.device(index)
            return XrtNpu(pyxrt, device, device.get_info(pyxrt.xrt_info_device.name))

    def load(self, entry: NpuEntry, files: Mapping[str, bytes]) -> Kernel:
        self._check()
        if not {"xclbin", *map(insts_role, entry.sequences)} <= files.keys():
            raise NpuError(f"{entry.name} has no xclbin (it is {entry.evidence}): {entry.analysis.get('missing', '?')}")
        parts = {role: hashlib.sha256(data).hexdigest() for role, data in files.items()}
        key = json.dumps(parts, sort_keys=True)
        if key not in self._kernels:
            with _told(f"{entry.name} cannot be loaded on {self.name}"):
                self._kernels[key] = self._load(entry, files)
        return Kernel(entry, self._kernels[key])

    def _load(self, entry: NpuEntry, files: Mapping[str, bytes]) -> _Loaded:
        pyxrt = self._pyxrt
        with tempfile.NamedTemporaryFile(prefix="kernelrt-", suffix=".xclbin") as file:
            file.write(files["xclbin"])
            file.flush()
            container = pyxrt.xclbin(file.name)  # it is read whole
        inside = {found.get_name(): found.get_num_args() for found in container.get_kernels()}
        taken = inside.get(_KERNEL, 0) - _LEADING
        if taken < len(entry.arguments):
            raise NpuError(f"{entry.name} has {len(entry.arguments)} buffers, and its xclbin takes {max(taken, 0)}")
        context = pyxrt.hw_context(self._device, self._device.register_xclbin(container))
        kernel = pyxrt.kernel(context, _KERNEL)
        insts = {name: files[insts_role(name)] for name in entry.sequences}
        instructions = {name: (self._placed(data, kernel), len(data) // 4) for name, data in insts.items()}
        return _Loaded(kernel, context, instructions)

    def _placed(self, insts: bytes, kernel: XrtKernel) -> Bo:
        """Instructions where the device sees them."""
        pyxrt = self._pyxrt
        memory: Bo = pyxrt.bo(self._device, len(insts), pyxrt.bo.cacheable, kernel.group_id(1))
        memory.write(insts, 0)
        memory.sync(pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE)
        return memory

    def allocate(self, nbytes: int) -> Buffer:
        """As Npu.allocate; a kernel must be loaded before, whose memory bank it is."""
        self._check()
        if not self._kernels:
            raise NpuError(f"{self.name}: load a kernel before allocating its buffers")
        size = -(-nbytes // PAGE) * PAGE
        first = next(iter(self._kernels.values()))
        with _told(f"{self.name} has no {size} bytes"):
            memory: Bo = self._pyxrt.bo(self._device, size, self._pyxrt.bo.host_only, first.kernel.group_id(_LEADING))
            view = ctypes.c_char.from_buffer(memory.map())
            ctypes.memset(ctypes.addressof(view), 0, size)
        return Buffer(ctypes.addressof(view), size, memory)

    def share(self, address: int, nbytes: int) -> Buffer:
        self._check()
        check_pages(address, nbytes)
        if (address, nbytes) not in self._shared:
            with _told(f"{self.name} cannot use memory of the host where it lies"):
                memory = self._pyxrt.ext.bo(self._device, capsule(address), nbytes)
            self._shared[address, nbytes] = Buffer(address, nbytes, memory)
        return self._shared[address, nbytes]

    def part(self, buffer: Buffer, offset: int, nbytes: int) -> Buffer:
        self._check()
        check_pages(buffer.address + offset, nbytes)
        with _told(f"{self.name} does not divide a buffer of {buffer.nbytes} bytes"):
            return Buffer(buffer.address + offset, nbytes, self._pyxrt.bo(buffer.handle, nbytes, offset))

    def bind(self, kernel: Kernel, sequence: str, buffers: Sequence[Buffer]) -> Bound:
        self._check()
        check_bound(kernel.entry, sequence, buffers)
        loaded = cast(_Loaded, kernel.handle)
        instructions, words = loaded.instructions[sequence]
        with _told(f"{kernel.entry.name} cannot be bound on {self.name}"):
            run = self._pyxrt.run(loaded.kernel)
            for index, value in enumerate((OPCODE, instructions, words, *(cast(Bo, each.handle) for each in buffers))):
                run.set_arg(index, value)
        return Bound(kernel, sequence, tuple(buffers), run)

    def start(self, runs: Sequence[Bound]) -> "XrtPending":
        self._check()
        before, after = flushes(runs)
        direction = self._pyxrt.xclBOSyncDirection
        with self._fatal(f"{self.name} does not take runs"):
            for buffer in before:
                cast(Bo, buffer.handle).sync(direction.XCL_BO_SYNC_BO_TO_DEVICE)
            for run in runs:
                cast(Run, run.handle).start()
        return XrtPending(self, runs, after)

    def close(self) -> None:
        self._kernels.clear()
        self._shared.clear()
        self._lost = self._lost or "it was closed"

    def finish(self, runs: Sequence[Bound], written: Sequence[Buffer], timeout: float) -> None:
        """Waits for runs in the order of their start, and takes back the caches of what they wrote. NpuError."""
        self._check()
        deadline = time.monotonic() + timeout
        for run in runs:
            name = run.kernel.entry.name
            with self._fatal(f"{name} failed on {self.name}"):
                state = _ended(cast(Run, run.handle), deadline)
            if state is None:
                self._lose(f"{name} did not end within {timeout:g} s on {self.name}")
            elif problem := fate(state.name):
                self._lose(f"{name} {problem} on {self.name}")
        with self._fatal(f"{self.name} does not give its results back"):
            for buffer in written:
                cast(Bo, buffer.handle).sync(self._pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE)

    def _check(self) -> None:
        if self._lost is not None:
            raise NpuError(f"the NPU {self.name} can no longer be used: {self._lost}")

    def _lose(self, reason: str) -> None:
        self._lost = reason
        raise NpuError(f"{reason}; the NPU is in an unknown state and is not used again")

    @contextmanager
    def _fatal(self, what: str) -> Generator[None]:
        try:
            with _told(what):
                yield
        except NpuError as error:
            self._lost = str(error)
            raise


class XrtPending:
    """Runs of an XrtNpu that were started (kernelrt.npu.run.Pending)."""

    def __init__(self, npu: XrtNpu, runs: Sequence[Bound], written: Sequence[Buffer]) -> None:
        self._npu, self._runs, self._written = npu, tuple(runs), tuple(written)

    def done(self) -> bool:
        with _told(f"{self._npu.name} does not say how far it is"):
            return all(cast(Run, run.handle).state().name not in _RUNNING for run in self._runs)

    def wait(self, timeout: float) -> None:
        self._npu.finish(self._runs, self._written, timeout)


def capsule(address: int) -> object:
    """A PyCapsule of an address, which is how pyxrt takes a `void *`."""
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return cast(object, make(address, None, None))


def _ended(run: Run, deadline: float) -> State | None:
    """The state in which a run ended; None where it has not by the deadline.

    XRT gives one and the same state for its own time limit and for the driver's: `state()` tells them apart.
    """
    while True:
        run.wait(_SLICE_MS)
        state = run.state()
        if state.name not in _RUNNING:
            return state
        if time.monotonic() > deadline:
            return None


@contextmanager
def _told(what: str) -> Generator[None]:
    """Turns what XRT raises into an NpuError of one line."""
    try:
        yield
    except NpuError:
        raise
    except (RuntimeError, OSError, TypeError, ValueError, IndexError) as error:
        raise NpuError(f"{what}: {' '.join(str(error).split())[:300]}") from error
