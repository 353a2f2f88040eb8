"""The LLVM IR around a core's function: the entry, what its calls do, and conversions that LLVM would do otherwise."""

import re
from collections.abc import Sequence

from kernelrt.npu.jit.arithmetic import Rounding
from kernelrt.npu.jit.operations import SITE
from kernelrt.npu.jit.rewrite import CORE, COUNT, FAULT, SPIN
from kernelrt.npu.jit.site import CallSite
from kernelrt.npu.jit.spelling import portable
from kernelrt.npu.jit.watch import watched

ENTRY = "kernelrt_entry"

# The state of a running core, in words of 8 bytes.
CALL = 0  # address of the function that sites call: i64 (i64 site, i64 argument)
STATUS = 1  # what is not 0 ends the core
FAULT_NUMBER = 2
FAULT_VALUE = 3
MODE = 4  # the caller's floating-point control word; 5 to 7 are watch.py's
SCRATCH = 8  # 64 bytes that a cascade or stream moves
COUNTERS = 16

RUNNING, STOPPED, FAULTED = 0, 1, 2
_SPIN_PERIOD = 2**20

# Denormals as zero, read and written. x86: FTZ and DAZ of MXCSR; AArch64: FZ of FPCR.
_MODES = {
    "x86_64": """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal void @kernelrt_flush(ptr %state) alwaysinline {
  %own = alloca i32
  %saved = getelementptr i64, ptr %state, i64 4
  call void @llvm.x86.sse.stmxcsr(ptr %saved)
  %old = load i32, ptr %saved
  %new = or i32 %old, 32832
  store i32 %new, ptr %own
  call void @llvm.x86.sse.ldmxcsr(ptr %own)
  ret void
}
define internal void @kernelrt_restore(ptr %state) alwaysinline {
  %saved = getelementptr i64, ptr %state, i64 4
  call void @llvm.x86.sse.ldmxcsr(ptr %saved)
  ret void
}
""",
    "aarch64": """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal void @kernelrt_flush(ptr %state) alwaysinline {
  %saved = getelementptr i64, ptr %state, i64 4
  %old = call i64 @llvm.aarch64.get.fpcr()
  store i64 %old, ptr %saved
  %new = or i64 %old, 16777216
  call void @llvm.aarch64.set.fpcr(i64 %new)
  ret void
}
define internal void @kernelrt_restore(ptr %state) alwaysinline {
  %saved = getelementptr i64, ptr %state, i64 4
  %old = load i64, ptr %saved
  call void @llvm.aarch64.set.fpcr(i64 %old)
  ret void
}
""",
}
_SUPPORT = f"""
define internal i64 @kernelrt_call(ptr %state, i64 %site, i64 %argument) noinline {{
  call void @kernelrt_restore(ptr %state)
  %target = load ptr, ptr %state
  %result = call i64 %target(i64 %site, i64 %argument)
  call void @kernelrt_flush(ptr %state)
  ret i64 %result
}}
define internal i1 @kernelrt_over(ptr %state) alwaysinline {{
  %where = getelementptr i64, ptr %state, i64 {STATUS}
  %status = load i64, ptr %where
  %over = icmp ne i64 %status, 0
  ret i1 %over
}}
define internal void @{COUNT}(i64 %number, i64 %counter, i64 %amount) alwaysinline {{
  %state = inttoptr i64 %number to ptr
  %counters = getelementptr i64, ptr %state, i64 {COUNTERS}
  %where = getelementptr i64, ptr %counters, i64 %counter
  %old = load i64, ptr %where
  %new = add i64 %old, %amount
  store i64 %new, ptr %where
  ret void
}}
define internal i1 @{FAULT}(i64 %number, i64 %fault, i64 %value) noinline cold {{
  %state = inttoptr i64 %number to ptr
  %status = getelementptr i64, ptr %state, i64 {STATUS}
  store i64 {FAULTED}, ptr %status
  %which = getelementptr i64, ptr %state, i64 {FAULT_NUMBER}
  store i64 %fault, ptr %which
  %what = getelementptr i64, ptr %state, i64 {FAULT_VALUE}
  store i64 %value, ptr %what
  ret i1 true
}}
define internal i1 @{SPIN}(i64 %number, i64 %counter, i64 %site) alwaysinline {{
  %state = inttoptr i64 %number to ptr
  %counters = getelementptr i64, ptr %state, i64 {COUNTERS}
  %where = getelementptr i64, ptr %counters, i64 %counter
  %count = load i64, ptr %where
  %low = and i64 %count, {_SPIN_PERIOD - 1}
  %due = icmp eq i64 %low, 0
  br i1 %due, label %look, label %on
look:
  %ignored = call i64 @kernelrt_call(ptr %state, i64 %site, i64 %count)
  %over = call i1 @kernelrt_over(ptr %state)
  ret i1 %over
on:
  ret i1 false
}}
"""
_DECLARED = re.compile(rf"^declare (.+) @{SITE}(\d+)\((.*)\).*$", re.MULTILINE)
_PROVIDED = re.compile(rf"^declare .*@(?:{COUNT}|{FAULT}|{SPIN})\(.*$", re.MULTILINE)
_DEFINED = re.compile(rf"^define .*?@{CORE}\((.*)\)[^{{]*\{{$", re.MULTILINE)
_DENORMALS = '"denormal-fp-math"="preserve-sign,preserve-sign"'


def architectures() -> tuple[str, ...]:
    return tuple(_MODES)


def complete(
    code: str,
    architecture: str,
    sites: Sequence[CallSite],
    shapes: Sequence[tuple[int, ...]],
    results: Sequence[tuple[int, ...]],
    mode: Rounding,
    watch: bool,
) -> str:
    """A module with `void kernelrt_entry(i64* state, void** pointers)`. `shapes` are those of the buffers, `results`
    those of the memrefs that the sites give (() for none). `watch`: with checks of what is read."""
    code = portable(watched(code) if watch else code, mode)
    code = _PROVIDED.sub("", code)
    code = _DECLARED.sub(lambda match: _site(match, sites, results), code)
    definition = _DEFINED.search(code)
    if definition is None:
        raise ValueError(f"no @{CORE} in the LLVM IR")
    header = f"define internal void @{CORE}({definition.group(1)}) alwaysinline {_DENORMALS} {{"
    code = code[: definition.start()] + header + code[definition.end() :]
    return "\n".join([code, _MODES[architecture], _SUPPORT, _entry(shapes)])


def _entry(shapes: Sequence[tuple[int, ...]]) -> str:
    lines = [
        f"define void @{ENTRY}(ptr %state, ptr %pointers) {_DENORMALS} {{",
        "  %number = ptrtoint ptr %state to i64",
    ]
    arguments = ["i64 %number"]
    for number, shape in enumerate(shapes):
        lines.append(f"  %where{number} = getelementptr ptr, ptr %pointers, i64 {number}")
        lines.append(f"  %buffer{number} = load ptr, ptr %where{number}")
        sizes = [f"i64 {size}" for size in (*shape, *_strides(shape))]
        arguments += [f"ptr %buffer{number}", f"ptr %buffer{number}", "i64 0", *sizes]
    lines.append("  call void @kernelrt_flush(ptr %state)")
    lines.append(f"  call void @{CORE}({', '.join(arguments)})")
    lines += ["  call void @kernelrt_restore(ptr %state)", "  ret void", "}"]
    return "\n".join(lines)


def _site(match: re.Match[str], sites: Sequence[CallSite], results: Sequence[tuple[int, ...]]) -> str:
    """The definition of a site's function: the call, and whether the core is over."""
    type_, number, operands = match.group(1), int(match.group(2)), _split(match.group(3))
    site = sites[number]
    names = [f"{operand} %a{position}" for position, operand in enumerate(operands)]
    lines = [
        f"define internal {type_} @{SITE}{number}({', '.join(names)}) alwaysinline {{",
        "  %state = inttoptr i64 %a0 to ptr",
        f"  %scratch = getelementptr i64, ptr %state, i64 {SCRATCH}",
        "  %address = ptrtoint ptr %scratch to i64",
    ]
    argument = f"i64 {site.value}"
    if site.kind in ("cascade_put", "stream_put", "cascade_get", "stream_get"):
        argument = "i64 %address"
        if site.kind.endswith("put"):
            lines.append(f"  store {operands[-1]} %a{len(operands) - 1}, ptr %scratch, align 8")
    elif len(operands) > 1:
        cast = operands[1]
        if cast == "i64":
            argument = "i64 %a1"
        elif re.fullmatch(r"i\d+", cast):
            lines.append(f"  %wide = {'sext' if int(cast[1:]) < 64 else 'trunc'} {cast} %a1 to i64")
            argument = "i64 %wide"
    elif site.kind == "event":
        argument = "i64 0"
    lines.append(f"  %result = call i64 @kernelrt_call(ptr %state, i64 {number}, {argument})")
    lines.append("  %over = call i1 @kernelrt_over(ptr %state)")
    if type_ == "i1":
        return "\n".join([*lines, "  ret i1 %over", "}"])
    inner = _split(type_.strip()[1:-1])[0]
    if inner.startswith("{"):
        shape = results[number]
        rank = len(shape)
        sizes, strides = (
            f"[{rank} x i64] [{', '.join(f'i64 {n}' for n in numbers)}]" for numbers in (shape, _strides(shape))
        )
        constant = f"{{ ptr null, ptr null, i64 0{f', {sizes}, {strides}' if rank else ''} }}"
        lines += [
            "  %pointer = inttoptr i64 %result to ptr",
            f"  %d0 = insertvalue {inner} {constant}, ptr %pointer, 0",
            f"  %value = insertvalue {inner} %d0, ptr %pointer, 1",
        ]
        value = f"{inner} %value"
    elif site.kind.endswith("get"):
        lines.append(f"  %value = load {inner}, ptr %scratch, align 8")
        value = f"{inner} %value"
    else:
        value = f"{inner} %result"
    lines += [
        f"  %r0 = insertvalue {type_} poison, {value}, 0",
        f"  %r1 = insertvalue {type_} %r0, i1 %over, 1",
        f"  ret {type_} %r1",
        "}",
    ]
    return "\n".join(lines)


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides: list[int] = []
    total = 1
    for size in reversed(shape):
        strides.insert(0, total)
        total *= size
    return tuple(strides)


def _split(types: str) -> list[str]:
    """Comma-separated types, brackets respected."""
    parts: list[str] = []
    depth = start = 0
    for at, letter in enumerate(types):
        depth += (letter in "{[<(") - (letter in "}]>)")
        if letter == "," and depth == 0:
            parts.append(types[start:at].strip())
            start = at + 1
    return [*parts, types[start:].strip()] if types.strip() else []
