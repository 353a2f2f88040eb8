"""`kernelc show`"""

from base64 import b64encode
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
    output: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", readable=False, help="Write there, not to stdout.")
    ] = None,
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    json: o.Json = False,
) -> None:
    """Print one kernel at a stage of its way.

    Compiles afresh, so that a kernel that fails the build can be looked at too.
    """
    from kernelc import show as stages
    from kernelc.commands.inputs import inputs
    from kernelc.errors import StoreError
    from kernelc.toolchain.identity import Memo
    from kernelc.toolset import choose
    from kernelrt.console.output import as_json, write_bytes

    wanted = inputs(model, target, quant, seq, batch, embedding)
    spec = wanted.kernel(kernel)
    shown: str | bytes
    if emit is Emit.abi:
        shown = as_json(stages.abi(spec)) if json else stages.abi_text(spec)
    elif emit is Emit.glsl:
        shown = stages.rendered(spec)
    else:
        stage = {Emit.spirv: stages.spirv, Emit.asm: stages.assembly, Emit.isa: stages.machine_code}[emit]
        shown = stage(spec, choose(wanted.target, Memo()))
    if json and emit is not Emit.abi:
        shown = as_json({"name": spec.name, "emit": emit.value, **_member(shown)})
    data = shown.encode() if isinstance(shown, str) else shown
    if output is None:
        write_bytes(data)
        return
    try:
        output.write_bytes(data)
    except OSError as e:
        raise StoreError(f"{output}: cannot be written: {e.strerror}") from e


def _member(shown: str | bytes) -> dict[str, str]:
    """What is shown as a member of a JSON object."""
    return {"text": shown} if isinstance(shown, str) else {"base64": b64encode(shown).decode()}
