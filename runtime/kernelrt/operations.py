"""What ran where: the kernels of each phase of a run, for reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kernelrt.calls import Call
from kernelrt.model import LayerKind
from kernelrt.npu.serving import Attention
from kernelrt.run_plan import RunPlan
from kernelrt.split_plan import SplitPlan


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a phase ("prefill", "decode", "finish"), the kernel that did it and the device it ran on."""

    phase: str
    rows: int
    operation: str
    kernel: str
    device: str


def operations(plan: RunPlan, split: SplitPlan, device: str, npu: str) -> tuple[Operation, ...]:
    """Every operation of a run, in the order of its first call, none twice, those of the NPU last.

    `split`: what of the plan's is the NPU's; `npu`: its name.
    """
    prefill: Mapping[int, Iterable[Call]] = plan.prefill
    decode: Mapping[int, Iterable[Call]] = plan.decode
    offloaded: list[Operation] = []
    if split.prefill is not None:
        prefill = {rows: [each for part in lanes[0] for each in part] for rows, lanes in split.prefill.segments.items()}
        offloaded += _attention("prefill", prefill, split.prefill.attention, npu)
    if split.decode is not None:
        decode = {rows: [each for part in parts for each in part] for rows, parts in split.decode.segments.items()}
        offloaded += _attention("decode", decode, split.decode.attention, npu)
    phases: list[tuple[str, int, Iterable[Call]]] = [
        *(("prefill", rows, calls) for rows, calls in prefill.items()),
        *(("decode", rows, calls) for rows, calls in decode.items()),
        *((how, rows, calls) for (rows, how), calls in plan.finish.items()),
    ]
    found = [
        Operation(phase, rows, call.kernel.family, call.kernel.name, device)
        for phase, rows, calls in phases
        for call in calls
    ]
    return (*dict.fromkeys(found), *offloaded)


def _attention(phase: str, sizes: Iterable[int], attention: Mapping[LayerKind, Attention], npu: str) -> list[Operation]:
    kernels = [each.entry for each in attention.values()]
    return [Operation(phase, rows, kernel.family, kernel.name, npu) for rows in sizes for kernel in kernels]
