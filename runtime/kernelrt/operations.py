"""What ran where: the kernels of each phase of a run, for reports."""

from collections.abc import Iterable
from dataclasses import dataclass

from kernelrt.calls import Call
from kernelrt.npu.offload import FAMILY
from kernelrt.run_plan import RunPlan


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a phase ("prefill", "decode", "finish"), the kernel that did it and the device it ran on."""

    phase: str
    rows: int
    operation: str
    kernel: str
    device: str


def operations(plan: RunPlan, device: str, npu: str) -> tuple[Operation, ...]:
    """Every operation of a run, in the order of its first call, none twice; `npu`: the NPU's name, where there is one.

    Attention of decode steps is always the GPU's.
    """
    prefill: dict[int, Iterable[Call]] = dict(plan.prefill)
    offloaded: list[Operation] = []
    if plan.split is not None:
        prefill = {rows: [each for part in lanes[0] for each in part] for rows, lanes in plan.split.segments.items()}
        names = [attention.entry.name for attention in plan.split.attention.values()]
        offloaded = [Operation("prefill", rows, FAMILY, name, npu) for rows in prefill for name in names]
    phases: list[tuple[str, int, Iterable[Call]]] = [
        *(("prefill", rows, calls) for rows, calls in prefill.items()),
        *(("decode", rows, calls) for rows, calls in plan.decode.items()),
        *((how, rows, calls) for (rows, how), calls in plan.finish.items()),
    ]
    found = [
        Operation(phase, rows, call.kernel.family, call.kernel.name, device)
        for phase, rows, calls in phases
        for call in calls
    ]
    return (*dict.fromkeys(found), *offloaded)
