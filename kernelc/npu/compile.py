"""One design's way through the tools: parsed and verified in process, its arguments compared, compiled by aiecc."""

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

from kernelc.action import NpuAction
from kernelc.npu.entry import DESIGN, META, XCLBIN, insts_file
from kernelc.npu.spec import NpuKernelSpec
from kernelc.npu.tools import NpuTools
from kernelc.toolchain import aiecc
from kernelc.toolchain.errors import CompileError
from kernelrt.jsonio import canonical
from kernelrt.npu.design import Design
from kernelrt.npu.errors import DesignError

_PLACE = re.compile(r"(\d+):\d+: (.*)")


def compile_design(act: NpuAction, tools: NpuTools, folder: Path) -> dict[str, bytes]:
    """The files of a store entry. `folder` is empty, for what the tools leave, and the caller's to remove.

    Raises CompileError for what is wrong with the design, ToolError for the tools.
    """
    spec, source = act.spec, act.source
    _check(spec, verified(source, spec.name), act.device)
    files = {DESIGN: source.encode()}
    if tools.aiecc is None:
        return files | {META: canonical({"analysis": {"missing": tools.missing}, "evidence": "validated"})}
    made = aiecc.compile(source, spec.name, tools.aiecc, folder, spec.sequences)
    words = {name: len(insts) // 4 for name, insts in made.insts.items()}
    meta = canonical({"analysis": {"compiler": aiecc.NAME, "instruction words": words}, "evidence": "compiled"})
    return files | {XCLBIN: made.xclbin, META: meta} | {insts_file(name): data for name, data in made.insts.items()}


def verified(source: str, name: str) -> Design:
    """The design in `source`. CompileError with the line where the language or the hardware does not allow it."""
    from kernelrt.npu.text.load import load  # late: loads the packages that verify

    file = f"{name}.mlir"
    try:
        return load(source, file)
    except DesignError as error:
        place = _PLACE.fullmatch(str(error).removeprefix(f"{file}:"))
        if place is None:
            raise CompileError(name, str(error)) from None
        lines, line = source.splitlines(), int(place.group(1))
        raise CompileError(name, place.group(2), line, lines[line - 1] if 0 < line <= len(lines) else "") from None


def _check(spec: NpuKernelSpec, design: Design, device: str) -> None:
    """Whether the design is what the plan says of it: the runtime binds buffers by the plan."""
    if design.device != device:
        raise CompileError(spec.name, f"the design is for {design.device}, and the target has {device}")
    names = tuple(sequence.name for sequence in design.sequences)
    if names != spec.sequences:
        raise CompileError(spec.name, f"the design has the sequences {_list(names)}, the plan {_list(spec.sequences)}")
    declared = [f"{a.dtype} x {a.elements}" for a in spec.arguments]
    for sequence in design.sequences:
        # The plan's shapes may have more dimensions than the sequence's, which only moves bytes.
        found = [f"{a.type.dtype} x {prod(a.type.shape)}" for a in sequence.arguments]
        if found != declared:
            problem = f"its sequence {sequence.name} takes {_list(found)}, and the plan declares {_list(declared)}"
            raise CompileError(spec.name, problem, sequence.where.line)


def _list(words: Sequence[str]) -> str:
    return "(" + ", ".join(words) + ")"
