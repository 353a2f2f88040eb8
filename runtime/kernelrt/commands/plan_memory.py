"""`kernelrt plan-memory`"""

from typing import Annotated

import typer

from kernelrt.commands import options as o


def plan_memory(
    bundle: o.BundleName,
    device: o.DeviceName = None,
    context: o.Context = None,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Sequences at a time.")] = 1,
    attention: o.Attention = "gpu",
    json: o.Json = False,
) -> None:
    """Say what memory a run would take, and in which heaps.

    Allocates none of it. Exit code 3 with the numbers where it does not fit.
    """
    from kernelrt.bundle import Bundle
    from kernelrt.commands.memory import MemoryPlan
    from kernelrt.commands.places import find_bundle
    from kernelrt.console.output import print_json
    from kernelrt.gpu.device import Device
    from kernelrt.lanes import learn
    from kernelrt.npu.choose import chosen
    from kernelrt.run_plan import Options, plan_run
    from kernelrt.where import Phases

    loaded = Bundle.open(find_bundle(bundle))
    npu, phases, _ = chosen(loaded.manifest.npu_kernels, Phases.parse(attention))
    if npu is not None:
        npu.close()
    options = Options(device, context, batch, attention=phases)
    with Device.open(device) as opened:
        learn(opened, loaded)
        plan = plan_run(loaded, opened.info, options)
        memory = MemoryPlan(plan.place(opened), opened.memory, plan.split.shared_bytes(plan.slots))
        name = opened.info.name
    if json:
        run = {"model": plan.model.name, "device": name, "context": plan.capacity, "batch": plan.slots}
        print_json({**run, **memory.describe()})
    else:
        print(f"{plan.model.name} on {name}: {plan.slots} x {plan.capacity} tokens")
        print(memory.text)
