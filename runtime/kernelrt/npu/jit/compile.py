"""Compiling a core's program, once for all cores that have the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from kernelrt.npu.design import Buffer, Core, Lock
from kernelrt.npu.errors import DesignError
from kernelrt.npu.fifo import Fifo
from kernelrt.npu.jit.api import Mlir
from kernelrt.npu.jit.checks import Checks, Fault
from kernelrt.npu.jit.core import Block, CompiledCore, Described
from kernelrt.npu.jit.counters import BlockCost, Counters
from kernelrt.npu.jit.emit import complete
from kernelrt.npu.jit.lower import lowered
from kernelrt.npu.jit.module import Parsed, walk
from kernelrt.npu.jit.native import Native, Target, native
from kernelrt.npu.jit.ranges import Ranges
from kernelrt.npu.jit.rewrite import Program, rewrite
from kernelrt.npu.jit.site import CallSite
from kernelrt.npu.jit.sites import Detail, details
from kernelrt.npu.jit.stack import stack_bytes

# Memory of the code itself, which cores with the same code would share.
_OWN_MEMORY = re.compile(r"\bmemref\.global\b(?![^\n]*\bconstant\b)")


@dataclass(frozen=True, slots=True)
class Code:
    """What cores of the same program share; places are lines and columns of the program's text."""

    native: Native
    counters: int
    blocks: tuple[BlockCost, ...]
    faults: tuple[Fault, ...]
    details: Mapping[int, Detail]
    spins: tuple[tuple[int, int], ...]
    stack: int


def compile_core(
    core: Core,
    buffers: Mapping[str, Buffer],
    fifos: Mapping[str, Fifo],
    locks: Mapping[str, Lock],
    file: str,
    watch: bool = False,
) -> CompiledCore:
    """The core ready to run on this machine. Names of buffers, fifos and locks are those of the design; `file` is the
    one that messages carry. With `watch`, reads of memory that nothing has written are found (CompiledCore.run's
    shadow). Cores whose programs differ in names only are compiled once.

    Raises DesignError (with file, line and column) for a body that is not valid MLIR, needs external object code or
    names what the design does not have; NpuError where IREE's compiler or llvmlite is missing.
    """
    program = rewrite(core, buffers, file)
    compiled = _code.__wrapped__ if _OWN_MEMORY.search(program.text) else _code
    code = compiled(program, watch)
    if code.stack > core.stack_bytes:
        problem = f"memref.alloca take {code.stack} bytes of a stack of {core.stack_bytes}: raise the core's stack_size"
        raise DesignError.at(file, core.where, problem)
    calls = tuple(_call(program, number, code.details.get(number)) for number in range(len(program.sites)))
    for number, site in enumerate(calls):
        _check(program, number, site, fifos, locks)
    spins = tuple(CallSite("spin", "", "", 0, program.place(*line)) for line in code.spins)
    names = {f"buffer_{number}": buffer.name for number, buffer in enumerate(program.buffers)}
    names |= {f"site_{number}": f"objectfifo @{site.name}" for number, site in enumerate(calls)}
    described = Described(
        tuple(buffer.name for buffer in program.buffers),
        (*calls, *spins),
        tuple(Block(b.counter, b.factor, b.depth, b.cost, program.place(*b.line)) for b in code.blocks),
        tuple(_message(program, fault, names) for fault in code.faults),
        code.counters,
    )
    return CompiledCore(described, code.native.entry, code.native)


@lru_cache(maxsize=64)
def _code(program: Program, watch: bool) -> Code:
    mlir, target = Mlir.load(), _host()
    parsed = Parsed.of(mlir, program)
    with parsed.root.context:
        ranges = Ranges(mlir)
        checks = Checks(parsed, ranges)
        counters = Counters(parsed, ranges, checks)
        functions = parsed.used()
        known = details(parsed)
        stack = stack_bytes(parsed)
        operations = [operation for function in functions for operation in walk(function)]
        for function in functions:
            counters.add(function)
        for operation in operations:
            checks.add(operation)
        code, mode = lowered(parsed, target.triple, target.data_layout)
    spins = [CallSite("spin", "", "", 0, program.body.where) for _ in counters.spins]
    text = complete(
        code,
        target.architecture,
        [*(site.meaning for site in program.sites), *spins],
        [buffer.type.shape for buffer in program.buffers],
        [known[number].shape if number in known else () for number in range(len(program.sites))],
        mode,
        watch,
    )
    blocks, faults = tuple(counters.blocks), tuple(checks.faults)
    return Code(native(target, text), counters.count, blocks, faults, known, tuple(counters.spins), stack)


@lru_cache(maxsize=1)
def _host() -> Target:
    return Target.host()


def _call(program: Program, number: int, detail: Detail | None) -> CallSite:
    """A site with what the program around it says; without `detail` it is in a function that nothing calls."""
    site = program.sites[number].meaning
    if detail is None:
        return site
    if detail.acquire is not None:
        acquire = program.sites[detail.acquire].meaning
        return replace(site, name=acquire.name, port=acquire.port)
    if detail.moved:
        return replace(site, value=detail.moved, name="" if detail.channel is None else str(detail.channel))
    return site


def _check(program: Program, number: int, site: CallSite, fifos: Mapping[str, Fifo], locks: Mapping[str, Lock]) -> None:
    if site.kind.startswith("lock_") and site.name not in locks:
        raise DesignError.at(program.file, site.where, f"the design has no lock {site.name}")
    if not site.kind.startswith("fifo_"):
        return
    if site.name not in fifos:
        raise DesignError.at(program.file, site.where, f"the design has no objectfifo @{site.name}")
    if site.kind == "fifo_access":
        fifo = fifos[site.name]
        objects, accessed = str(fifo.type), program.sites[number].result
        if re.sub(r"\s", "", accessed) != objects:
            raise DesignError.at(
                program.file,
                site.where,
                f"objects of @{site.name} are {objects} (line {fifo.where.line}), not {accessed}",
            )


def _message(program: Program, fault: Fault, names: Mapping[str, str]) -> str:
    where = program.place(*fault.line)
    problem = fault.problem
    for name, value in names.items():
        problem = problem.replace(f"{{{name}}}", value)
    return f"{where.within(program.file)}: {problem}"
