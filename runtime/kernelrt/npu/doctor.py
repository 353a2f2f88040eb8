"""What attention on the NPU needs, which of it is on this machine, and what a missing part costs."""

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from kernelrt.console.finding import Finding
from kernelrt.npu import pyxrt_api
from kernelrt.npu.errors import NpuError
from kernelrt.npu.xrt import XrtNpu

DRIVER = "amdxdna"
_UNUSED = "no NPU can be used"
_SIMULATOR = ("greenlet", "iree-base-compiler", "llvmlite", "xdsl")  # as kernelrt[sim] in runtime/pyproject.toml
_OLDEST = (3, 11)  # Python that xdsl runs on


def examine() -> Iterator[Finding]:
    """The driver, XRT, the NPU and the simulator. Raises nothing for what is missing or broken."""
    yield driver()
    xrt = _xrt()
    yield xrt
    yield _npu(xrt.found)
    yield simulator(_SIMULATOR)


def driver(devices: Path = Path("/dev/accel"), classes: Path = Path("/sys/class/accel")) -> Finding:
    """The kernel's driver, and whether this user may open the device that it made."""
    name = f"NPU driver ({DRIVER})"
    mine = [path for path in sorted(classes.glob("accel*")) if (path / "device/driver").resolve().name == DRIVER]
    if not mine:
        install = f"Linux 6.14 or newer with its module {DRIVER} and the NPU's firmware (linux-firmware)"
        return Finding(name, False, note=f"no device of {DRIVER} in {classes}", cost=_UNUSED, install=install)
    node = devices / mine[0].name
    if not os.access(node, os.R_OK | os.W_OK):
        note = f"{node} is there, and this user may not read and write it"
        return Finding(name, False, note=note, cost=_UNUSED, install="make the user a member of the group `render`")
    return Finding(name, True, str(node))


def _xrt() -> Finding:
    name, path = "XRT (pyxrt)", pyxrt_api.find()
    if path is None:
        return Finding(name, False, note="no pyxrt for this Python", cost=_UNUSED, install=pyxrt_api.PACKAGES)
    try:
        pyxrt_api.load()
    except NpuError as error:
        return Finding(name, False, str(path), note=str(error), cost=_UNUSED, install=pyxrt_api.PACKAGES)
    return Finding(name, True, str(path))


def _npu(with_xrt: bool) -> Finding:
    cost = "attention runs on the GPU, or with `--attention npu` on the simulator"
    if not with_xrt:
        return Finding("NPU", False, note="cannot be asked without XRT", cost=cost, install="XRT, as above")
    try:
        npu = XrtNpu.open()
    except NpuError as error:
        return Finding("NPU", False, note=str(error), cost=cost, install="an AMD NPU of the first generation (npu1)")
    npu.close()
    note = "runs kernels of `kernelc build --npu xclbin`; kernelrt's way to an NPU was not tried on one yet"
    return Finding("NPU", True, npu.name, note=note)


def simulator(packages: tuple[str, ...]) -> Finding:
    """The simulator, by the distributions that it needs."""
    name, found = "NPU simulator (kernelrt[sim])", {package: _version(package) for package in packages}
    absent = [package for package, version in found.items() if version is None]
    if not absent:
        return Finding(name, True, "Python packages", ", ".join(f"{p} {version}" for p, version in found.items()))
    note = f"without {', '.join(absent)}"
    if sys.version_info < _OLDEST:
        note += f", for which Python {'.'.join(map(str, _OLDEST))} or newer is needed"
    cost = "`kernelrt simulate` does not work, nor `--attention npu` without an NPU"
    return Finding(name, False, note=note, cost=cost, install="pip install 'kernelrt[sim]'")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
