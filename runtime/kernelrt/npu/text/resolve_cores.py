"""Cores: their text, the values from outside that they name, and what they do with fifos."""

import re
from dataclasses import dataclass
from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Attribute, OpResult, SSAValue

from kernelrt.npu import hardware
from kernelrt.npu.design import Core
from kernelrt.npu.text import syntax
from kernelrt.npu.text.core_scan import CoreScan, scan
from kernelrt.npu.text.dialect_aie import CoreOp, DeviceOp
from kernelrt.npu.text.dialect_host import FuncOp, GlobalOp
from kernelrt.npu.text.scope import Scope, declared


@dataclass(frozen=True, slots=True)
class ScannedCore:
    """A core and what the scan of its text found."""

    core: Core
    scan: CoreScan


def cores(scope: Scope) -> tuple[ScannedCore, ...]:
    """All cores of the device. Raises DesignError for one without an end, or with names that nothing defines."""
    preamble = _preamble(scope)
    functions = {declared(op): op for op in scope.parsed.module.walk() if isinstance(op, FuncOp)}
    found: list[ScannedCore] = []
    for op in scope.walk(CoreOp):
        assert isinstance(op, CoreOp)
        tile = scope.tile(op, op.tile)
        if hardware.kind(tile) != "compute":
            raise scope.error(op, f"{hardware.name(tile)} has no core: cores are in rows 2 to 5")
        if any(other.core.tile == tile for other in found):
            raise scope.error(op, f"{hardware.name(tile)} has a core already: a tile runs one program")
        base = op.offset.data
        scanned = scan(scope.parsed.source.plain[base : base + len(op.text.data)], base)
        if not scanned.ends:
            raise scope.error(op, "this core has no `aie.end`: its body must end with one")
        names = {
            f"%{name.data}": _outside(scope, op, value) for name, value in zip(op.captured, op.captures, strict=True)
        }
        for name, offset in scanned.names:
            if name not in scanned.defined and f"%{name}" not in names:
                raise scope.parsed.source.error(offset, f"%{name} is defined neither in this core nor above it")
        found.append(
            ScannedCore(
                Core(
                    tile,
                    op.text.data,
                    names,
                    preamble,
                    syntax.integer(op, "stack_size", hardware.STACK),
                    _linked(scope, op, functions, scanned),
                    scope.parsed.source.place(base),
                ),
                scanned,
            )
        )
    return tuple(found)


def _outside(scope: Scope, op: CoreOp, value: SSAValue) -> tuple[str, str]:
    """What a name from outside of the core is."""
    owner = value.owner if isinstance(value, OpResult) else None
    if value in scope.buffers:
        buffer = scope.buffers[value]
        if hardware.kind(buffer.tile) == "shim":
            raise scope.error(op, f"%{scope.name(value)} is memory of the host, which no core reaches")
        return "buffer", buffer.name
    if value in scope.locks:
        return "lock", scope.locks[value].name
    if value in scope.tiles:
        return "tile", f"{scope.tiles[value].column},{scope.tiles[value].row}"
    if isinstance(owner, arith.ConstantOp):
        span = scope.parsed.reader.spans[owner]
        return "constant", " ".join(re.sub(r"//[^\n]*", "", scope.parsed.source.text[span.start : span.end]).split())
    raise scope.error(op, f"%{scope.name(value)} is computed outside of this core: compute it inside")


def _linked(scope: Scope, op: CoreOp, functions: "dict[str | None, FuncOp]", scanned: CoreScan) -> str | None:
    """The object file that a core needs, if any."""
    for name in ("link_with", "elf_file"):
        found = op.attributes.get(name)
        if isinstance(found, StringAttr):
            return found.data
    files = op.attributes.get("link_files")
    if isinstance(files, ArrayAttr):
        for file in cast("ArrayAttr[Attribute]", files).data:
            if isinstance(file, StringAttr):
                return file.data
    for name, offset in scanned.calls:
        function = functions.get(name)
        if function is None:
            raise scope.parsed.source.error(offset, f"@{name} is called here, but no func.func declares it")
        if not function.defined.data:
            return function.link_with.data if function.link_with else f"{name}.o"
    return None


def _preamble(scope: Scope) -> str:
    """The text of aliases, functions and globals that a core may use."""
    source = scope.parsed.source
    parts = [source.text[start:end] for start, end in scope.parsed.reader.aliases]
    for op in scope.parsed.module.walk():
        if isinstance(op, FuncOp | GlobalOp) and _visible(scope, op):
            span = scope.parsed.reader.spans[op]
            parts.append(source.text[span.start : span.end].rstrip())
    return "\n".join(part.rstrip() for part in parts)


def _visible(scope: Scope, op: FuncOp | GlobalOp) -> bool:
    parent = op.parent_op()
    return not isinstance(parent, DeviceOp) or parent is scope.device
