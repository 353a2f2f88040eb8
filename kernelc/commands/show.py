"""`kernelc show`"""

from base64 import b64encode
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelc.commands import options as o

if TYPE_CHECKING:
    from kernelc.kernel import KernelSpec
    from kernelc.npu.spec import NpuKernelSpec
    from kernelc.target import TargetSpec


class Emit(str, Enum):
    """What there is of a kernel."""

    glsl = "glsl"
    spirv = "spirv"
    asm = "asm"
    isa = "isa"
    mlir = "mlir"
    abi = "abi"


_OF_NPU = (Emit.mlir, Emit.abi)  # what there is of a kernel for the NPU; GPU kernels have all but mlir


def show(
    kernel: Annotated[str, typer.Argument(metavar="KERNEL", help="A kernel's name, as `kernelc plan` lists them.")],
    emit: Annotated[
        Emit | None,
        typer.Option(
            help="Rendered source, SPIR-V module, its assembly, the target's machine code, the design for the NPU, or "
            "the ABI. [default: glsl, or for the NPU mlir]"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", readable=False, help="Write there, not to stdout.")
    ] = None,
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    tuning: o.Tuning = None,
    npu: o.Npu = o.NpuMode.auto,
    json: o.Json = False,
) -> None:
    """Print one kernel at a stage of its way.

    Compiles afresh, so that a kernel that fails the build can be looked at too.
    """
    from kernelc.commands.inputs import inputs
    from kernelc.errors import StoreError
    from kernelc.kernel import KernelSpec
    from kernelrt.console.output import as_json, write_bytes
    from kernelrt.errors import InputError

    wanted = inputs(model, target, quant, seq, batch, embedding, npu.value, tuning)
    spec = wanted.kernel(kernel)
    on_gpu = isinstance(spec, KernelSpec)
    emit = emit or (Emit.glsl if on_gpu else Emit.mlir)
    possible = [e for e in Emit if e is not Emit.mlir] if on_gpu else _OF_NPU
    if emit not in possible:
        names = ", ".join(e.value for e in possible)
        unit = "GPU" if on_gpu else "NPU"
        raise InputError(f"--emit {emit.value}: {spec.name} is a kernel for the {unit}, of which there are {names}")
    shown = _of_gpu(spec, emit, wanted.target, json) if on_gpu else _of_npu(spec, emit, json)
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


def _of_gpu(spec: "KernelSpec", emit: Emit, target: "TargetSpec", json: bool) -> str | bytes:
    from kernelc import show as stages
    from kernelc.toolchain.identity import Memo
    from kernelc.toolset import choose
    from kernelrt.console.output import as_json

    if emit is Emit.abi:
        return as_json(stages.abi(spec)) if json else stages.abi_text(spec)
    if emit is Emit.glsl:
        return stages.rendered(spec)
    stage = {Emit.spirv: stages.spirv, Emit.asm: stages.assembly, Emit.isa: stages.machine_code}[emit]
    return stage(spec, choose(target, Memo()))


def _of_npu(spec: "NpuKernelSpec", emit: Emit, json: bool) -> str:
    from kernelc.npu.describe import abi_text, describe
    from kernelc.show import design
    from kernelrt.console.output import as_json

    if emit is Emit.abi:
        return as_json(describe(spec)) if json else abi_text(spec)
    return design(spec)
