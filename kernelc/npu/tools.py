"""The tools for NPU kernels: what verifies a design, and what compiles it; what one that is missing costs."""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import kernelrt
from kernelc.errors import ToolError
from kernelc.toolchain import aiecc
from kernelc.toolchain.aiecc import Aiecc
from kernelc.toolchain.identity import Identity, Memo, identify

VERIFIER = "npu-verifier"
# The packages of kernelrt[sim] that a design is parsed and verified with: distribution -> module.
_PACKAGES = {"xdsl": "xdsl", "iree-base-compiler": "iree.compiler"}
_SOURCES = ("design.py", "errors.py", "hardware.py", "text/*.py")


# What is made: xclbins where aiecc is there, else designs for the simulator ("auto"); xclbins; designs alone; nothing.
NpuMode = Literal["auto", "xclbin", "sim", "off"]


@dataclass(frozen=True, slots=True)
class NpuTools:
    """`verify`: designs can be verified (without that, there are none). `aiecc` None: they go into the bundle for the
    simulator; `missing` is then what the manifest says of each. `identities` (name -> what it is, as JSON values; None
    for one that is missing) goes into key and manifest, `flags` into the key; `notes` say what is missing."""

    verify: bool
    aiecc: Aiecc | None
    missing: str
    identities: Mapping[str, object]
    flags: Mapping[str, object]
    notes: tuple[str, ...]


def choose(memo: Memo, mode: NpuMode) -> NpuTools:
    """The tools. With a filled memo nothing is run.

    ToolError where `mode` cannot do without one that is missing; "auto" can do without any.
    """
    try:
        verifier = asdict(_verifier(memo))
    except ToolError as error:
        if mode != "auto":
            raise
        return NpuTools(False, None, "", {VERIFIER: None}, {}, (f"{error}: NO kernels for the NPU are in the bundle",))
    if mode == "sim":
        return NpuTools(True, None, "no xclbin was asked for", {VERIFIER: verifier}, {}, ())
    try:
        found = aiecc.choose(memo)
        made = {name: asdict(identity) for name, identity in found.identities(memo).items()}
    except ToolError as error:
        if mode == "xclbin":
            raise ToolError(f"no xclbin can be made: {error}") from error
        note = f"{error}: NO xclbin is made; kernels for the NPU are verified, and run on the simulator alone"
        absent = {VERIFIER: verifier, aiecc.NAME: None}
        return NpuTools(True, None, "aiecc was not there at build time", absent, {}, (note,))
    return NpuTools(True, found, "", {VERIFIER: verifier} | made, found.flags, ())


def missing_packages() -> list[str]:
    """What of the packages that verify a design is not installed."""
    return [name for name, module in _PACKAGES.items() if not _installed(module)]


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent
        return False


def _verifier(memo: Memo) -> Identity:
    if missing := missing_packages():
        names = ", ".join(missing)
        raise ToolError(f"no design for the NPU can be verified without {names}: pip install 'kernelrt[sim]'")
    root = Path(kernelrt.__path__[0], "npu")
    files = [path for pattern in _SOURCES for path in sorted(root.glob(pattern))]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return identify(VERIFIER, ", ".join([f"kernelrt {kernelrt.__version__}", *versions]), files, memo)
