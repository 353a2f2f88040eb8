"""Which kernels for the NPU a build has, and with which tools it makes them."""

from collections.abc import Sequence

from kernelc.buckets import Buckets
from kernelc.npu.plan import plan
from kernelc.npu.request import NpuRequest
from kernelc.npu.spec import NpuKernelSpec
from kernelc.npu.tools import NpuMode, choose
from kernelc.target import NPUS, TargetSpec
from kernelc.toolchain.identity import Memo
from kernelrt.errors import InputError
from kernelrt.model import ModelSpec


def device_of(target: TargetSpec, mode: NpuMode) -> str:
    """The NPU to plan for: the target's, or for the simulator any; "" for none. InputError where there must be one."""
    if mode == "off":
        return ""
    if mode == "xclbin" and not target.npu:
        advice = "name another target, or make designs for the simulator with --npu sim"
        raise InputError(f"--npu xclbin: target {target.name} has no NPU; {advice}")
    return target.npu or (NPUS[0] if mode == "sim" else "")


def planned(model: ModelSpec, target: TargetSpec, buckets: Buckets, mode: NpuMode) -> tuple[NpuKernelSpec, ...]:
    """The kernels for the NPU, in a stable order; none where there is no NPU to plan for. InputError."""
    return plan(model, buckets) if device_of(target, mode) else ()


def request(kernels: Sequence[NpuKernelSpec], target: TargetSpec, mode: NpuMode, memo: Memo) -> NpuRequest | None:
    """What to build for the NPU; None for nothing. ToolError where a tool is missing that `mode` needs,
    InputError where it asks for xclbins of no kernel.

    With "auto", what is missing is among the notes of the tools, and without what verifies designs there are none.
    """
    device = device_of(target, mode)
    if not device or not (kernels or mode == "xclbin"):
        return None
    tools = choose(memo, mode)
    if not kernels:  # nothing to make is not what was asked for
        raise InputError(f"--npu xclbin: no kernel for the NPU is among those to build for {target.name}")
    return NpuRequest(kernels if tools.verify else (), device, tools)
