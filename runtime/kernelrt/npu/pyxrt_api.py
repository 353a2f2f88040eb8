"""What is used of `pyxrt`, XRT's Python module, which has no stubs on PyPI and is no package there.

NOTES, from XRT 2.25 (Debian's python3-xrt and its sources, src/python/pybind11/src/pyxrt.cpp): `runlist.wait(timeout)`
and `run.wait2(timeout)` cannot be called, for the module does not bind std::chrono; nor `ext.bo(device, pid, handle)`,
the only import of a dma-buf, for it does not bind xrt::pid_type; nothing exports a buffer. So runs are chained by
starting several of one hardware context, which executes them in their order, and memory is shared by its address.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from kernelrt.npu.errors import NpuError

# Everything that kernelrt uses; tests/npu/pyxrt.txt has the signatures.
USED = (
    *("enumerate_devices", "device", "device.get_info", "device.register_xclbin", "xrt_info_device.name"),
    *("xclbin", "xclbin.get_kernels", "xclbin.xclbinkernel.get_name", "xclbin.xclbinkernel.get_num_args"),
    *("hw_context", "kernel", "kernel.group_id", "ext.bo"),
    *("bo", "bo.cacheable", "bo.host_only", "bo.write", "bo.sync", "bo.map"),
    *("xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE", "xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE"),
    *("run", "run.set_arg", "run.start", "run.wait", "run.state"),
    *("ert_cmd_state.ERT_CMD_STATE_NEW", "ert_cmd_state.ERT_CMD_STATE_QUEUED"),
    *("ert_cmd_state.ERT_CMD_STATE_SUBMITTED", "ert_cmd_state.ERT_CMD_STATE_COMPLETED"),
)
_PLACES = (Path("/opt/xilinx/xrt/python"),)  # AMD's own packages put it where Python does not look
# In Debian 12 the name python3-xrt belongs to an X-ray tracer: XRT's has the epoch 1.
PACKAGES = "XRT 2.19 or newer for the NPU (Debian testing: libxrt-npu2 and python3-xrt 1:2.25, no older python3-xrt)"


class State(Protocol):
    """Of a run: ert_cmd_state."""

    @property
    def name(self) -> str: ...


class Bo(Protocol):
    """A buffer that the device can see."""

    def write(self, data: bytes, offset: int, /) -> None: ...
    def sync(self, direction: object, /) -> None: ...
    def map(self) -> memoryview: ...


class Run(Protocol):
    """One execution of a kernel; it can be started again when it has ended."""

    def set_arg(self, index: int, value: Bo | int, /) -> None: ...
    def start(self) -> None: ...
    def wait(self, milliseconds: int, /) -> State: ...  # 0 waits for ever
    def state(self) -> State: ...


class XclbinKernel(Protocol):
    def get_name(self) -> str: ...
    def get_num_args(self) -> int: ...


class Xclbin(Protocol):
    def get_kernels(self) -> Sequence[XclbinKernel]: ...


class XrtKernel(Protocol):
    def group_id(self, argument: int, /) -> int: ...


class Device(Protocol):
    def get_info(self, what: object, /) -> str: ...
    def register_xclbin(self, xclbin: Xclbin, /) -> object: ...


class Pyxrt(Protocol):
    """The module. Its classes are given as what makes their objects."""

    bo: Any  # (device, bytes, flags, group) or (Bo, bytes, offset) -> Bo, and a namespace of flags
    ext: Any  # ext.bo(device, capsule of an address, bytes) -> Bo
    xclBOSyncDirection: Any  # XRT's name
    xrt_info_device: Any

    def enumerate_devices(self) -> int: ...
    def device(self, index: int, /) -> Device: ...
    def xclbin(self, path: str, /) -> Xclbin: ...
    def hw_context(self, device: Device, uuid: object, /) -> object: ...
    def kernel(self, context: object, name: str, /) -> XrtKernel: ...
    def run(self, kernel: XrtKernel, /) -> Run: ...


def find() -> Path | None:
    """Where the module is; None where it is not."""
    spec = importlib.util.find_spec("pyxrt")
    if spec is not None and spec.origin:
        return Path(spec.origin)
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
    return next((path for place in _PLACES for path in sorted(place.glob(f"pyxrt.{tag}*.so"))), None)


def load() -> Pyxrt:
    """The module. NpuError where it is not there, does not load, or lacks something that is used."""
    path = find()
    if path is None:
        raise NpuError(f"the NPU cannot be used: there is no pyxrt for this Python; install {PACKAGES}")
    try:
        module = _import(path)
    except (ImportError, OSError) as error:
        raise NpuError(f"the NPU cannot be used: {path} does not load: {' '.join(str(error).split())}") from error
    if absent := missing(module):
        raise NpuError(f"the NPU cannot be used: {path} has no {', '.join(absent)}; XRT 2.19 or newer is needed")
    return cast(Pyxrt, module)


def missing(module: object) -> list[str]:
    """The names among USED that a module does not have."""
    return [name for name in USED if not _has(module, name)]


def _has(thing: object, name: str) -> bool:
    for part in name.split("."):
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True


def _import(path: Path) -> ModuleType:
    if importlib.util.find_spec("pyxrt") is not None:
        return importlib.import_module("pyxrt")
    spec = importlib.util.spec_from_file_location("pyxrt", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
