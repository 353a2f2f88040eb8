"""`kernelc show`"""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from kernelc.commands import options as o


class Emit(str, Enum):
    """What there is of a kernel."""

    glsl = "glsl"
    spirv = "spirv"
    asm = "asm"
    isa = "isa"
    abi = "abi"


def show(
    kernel: Annotated[str, typer.Argument(metavar="KERNEL", help="A kernel's name, as `kernelc plan` lists them.")],
    emit: Annotated[
        Emit,
        typer.Option(help="Rendered source, SPIR-V module, its assembly, the target's machine code, or the ABI."),
    ] = Emit.glsl,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="Write there, not to stdout.")] = None,
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    json: o.Json = False,
) -> None:
    """Print one kernel at a stage of its way.

    Compiles afresh, so that a kernel that fails the build can be looked at too.
    """
    from kernelc.commands.inputs import inputs
    from kernelc.commands.output import write_bytes
    from kernelc.show import abi_json, abi_text, rendered
    from kernelc.toolchain.identity import Memo
    from kernelc.toolset import choose

    wanted = inputs(model, target, quant, seq, batch)
    spec = wanted.kernel(kernel)
    data: bytes
    if emit is Emit.abi:
        data = (abi_json(spec) if json else abi_text(spec)).encode()
    elif emit is Emit.glsl:
        data = rendered(spec).encode()
    else:
        from kernelc import show as stages

        stage = {Emit.spirv: stages.spirv, Emit.asm: stages.assembly, Emit.isa: stages.machine_code}[emit]
        data = stage(spec, choose(wanted.target, Memo()))
    if output is None:
        write_bytes(data)
        return
    from kernelc.errors import StoreError

    try:
        output.write_bytes(data)
    except OSError as e:
        raise StoreError(f"{output}: cannot be written: {e.strerror}") from e
