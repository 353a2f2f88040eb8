"""`kernelc explain`"""

from typing import Annotated

import typer

from kernelc.commands import options as o


def explain(
    kernel: Annotated[str, typer.Argument(metavar="KERNEL", help="A kernel's name, as `kernelc plan` lists them.")],
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    tuning: o.Tuning = None,
    npu: o.Npu = o.NpuMode.auto,
    store: o.StoreAt = None,
    json: o.Json = False,
) -> None:
    """Say which part of a kernel's action key changed since it was last built."""
    from kernelc.commands.inputs import choose_npu, choose_tools, inputs
    from kernelc.errors import ToolError
    from kernelc.explain import explain as explained
    from kernelc.store import existing
    from kernelrt.console.output import print_json

    wanted = inputs(model, target, quant, seq, batch, embedding, npu.value, tuning).only(kernel)
    opened = existing(store)
    with opened.in_use():
        tools = choose_tools(wanted.target, opened)
        for_npu = choose_npu(wanted, npu.value, opened) if wanted.npu_kernels else None
        if for_npu and not for_npu.kernels:
            raise ToolError("; ".join(for_npu.tools.notes))
        found = explained(wanted.request(tools, npu=for_npu), opened)
    if json:
        print_json(found.describe())
    else:
        print(found)
