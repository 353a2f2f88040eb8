"""What a build makes for the NPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelc.npu.spec import NpuKernelSpec
from kernelc.npu.tools import NpuTools


@dataclass(frozen=True, slots=True)
class NpuRequest:
    """The kernels for `device` (mlir-aie's name of the NPU), in plan order, and the tools that make them."""

    kernels: Sequence[NpuKernelSpec]
    device: str
    tools: NpuTools


def template(kernel: NpuKernelSpec, root: Path) -> Path:
    """Where the template of a kernel is."""
    return root / "mlir" / f"{kernel.family}.mlir.j2"
