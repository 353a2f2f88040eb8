"""Opening a bundle: a device with a model's memory, kernels and weights, before any token."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from kernelrt.bundle import Bundle
from kernelrt.gpu.commands import fill_buffers
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import allocate
from kernelrt.gpu.placement import Placement
from kernelrt.lanes import learn
from kernelrt.loading import Destination, LoadReport, Repack, Weights
from kernelrt.machine import Machine, Progress
from kernelrt.npu.choose import chosen
from kernelrt.npu.decode import Decode
from kernelrt.npu.offload import Offload
from kernelrt.npu.prefill import Prefill
from kernelrt.npu.run import Npu
from kernelrt.run_plan import RING, Options, RunPlan, plan_run
from kernelrt.split_plan import LANES

_FLOAT_ONE = 0x3F800000


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan, its memory and pipelines on a device, with the weights loaded; `offload` where an NPU has a part."""

    plan: RunPlan
    placement: Placement
    machine: Machine
    report: LoadReport
    offload: Offload | None


@contextmanager
def opened(bundle: Bundle, weights: Weights, options: Options, progress: Progress) -> Generator[Opened, None, None]:
    """Opens a device, plans its memory, loads the weights and computes the tables; frees all of it at the end.

    Raises what Engine.open does.
    """
    with ExitStack() as stack:
        npu, phases, notes = chosen(bundle.manifest.npu_kernels, options.attention)
        if npu is not None:
            stack.callback(npu.close)
        device = stack.enter_context(Device.open(options.device))
        learn(device, bundle)
        plan = plan_run(bundle, device.info, replace(options, attention=phases))
        weights.check(plan.model, plan.formats)
        placement = plan.place(device)
        offload = None if npu is None else _offload(npu, device, plan, bundle)
        shared = {} if offload is None else offload.buffers
        machine = Machine(device, bundle, {**allocate(device, placement), **shared})
        machine.compile((*(call.kernel for call in plan.calls), *plan.repack), progress)
        # Counters must begin so; the rest for the same bits every time.
        cleared = {item.name: 0 for item in plan.items if item.category in ("activations", "KV cache")}
        words = {**cleared, "ones": _FLOAT_ONE}
        fill_buffers(device, [(machine.buffers[name].handle, word) for name, word in words.items()])
        report = weights.load(_destination(plan, machine), progress)
        with machine.record(plan.load) as tables:
            tables.run()
        yield Opened(plan, placement, machine, replace(report, notes=(*report.notes, *notes, *plan.notes)), offload)


def _offload(npu: Npu, device: Device, plan: RunPlan, bundle: Bundle) -> Offload:
    """The NPU's part of a plan, loaded."""
    files, model, prefill, decode = bundle.npu_files(), plan.model, plan.split.prefill, plan.split.decode
    return Offload(
        npu,
        device,
        None if prefill is None else Prefill(npu, model, prefill.attention, files, LANES),
        None if decode is None else Decode(npu, model, decode.attention, files, decode.nbytes, plan.slots),
    )


def _destination(plan: RunPlan, machine: Machine) -> Destination:
    return Destination(
        device=machine.device,
        model=plan.model,
        formats=plan.formats,
        buffers=machine.buffers,
        repack={str(kernel.params["quant"]): Repack(kernel, machine.pipeline(kernel)) for kernel in plan.repack},
        ring=[machine.buffers[f"staging.{i}"] for i in range(RING)],
        params=[machine.buffers[f"staging.{i}.params"] for i in range(RING)],
        raw=[machine.buffers[f"staging.{i}.raw"] for i in range(0 if machine.device.info.unified else RING)],
    )
