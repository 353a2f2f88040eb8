"""LLVM IR that means the same on every host and to every LLVM: constants as bits, conversions spelled out."""

import re
import struct

from kernelrt.npu.jit.arithmetic import Rounding
from kernelrt.npu.jit.narrow import LANES

_LITERAL = re.compile(r"\b(float|double|half|bfloat)\b|(?<![\w.%@\"])(f0x[0-9A-F]+|-?\d+\.\d+(?:e[+-]\d+)?)(?![\w.\"])")
_PACKED = {"float": (">f", 8), "half": (">e", 4), "bfloat": (">f", 4), "double": (">d", 16)}
_FLAGS = r"(?:(?:fast|nnan|ninf|nsz|arcp|contract|afn|reassoc) )*"
_TRUNCATION = re.compile(rf"= fptrunc {_FLAGS}(?:<(\d+) x )?float>? (\S+) to (?:<\d+ x )?bfloat>?")
_EXTENSION = re.compile(rf"= fpext {_FLAGS}(?:<(\d+) x )?bfloat>? (\S+) to (?:<\d+ x )?float>?")
_TO_INTEGER = re.compile(r"= (fpto[su]i) ((?:<\d+ x )?)(float|double)(>?) (\S+) to (?:<\d+ x )?i(\d+)>?")


def portable(code: str, mode: Rounding) -> str:
    """Conversions f32 -> bf16 of whole vectors round by `mode`, others to the nearest even; conversions to integers
    saturate; fused multiplications and additions are fused everywhere."""
    code = "\n".join(_literals(line) for line in code.splitlines()).replace("@llvm.fmuladd.", "@llvm.fma.")
    truncated: set[int] = set()
    extended: set[int] = set()

    def truncation(match: re.Match[str]) -> str:
        lanes = int(match.group(1) or 0)
        truncated.add(lanes)
        return f"= call {_vector(lanes, 'bfloat')} @kernelrt_bf16_{lanes}({_vector(lanes, 'float')} {match.group(2)})"

    def extension(match: re.Match[str]) -> str:
        lanes = int(match.group(1) or 0)
        extended.add(lanes)
        return f"= call {_vector(lanes, 'float')} @kernelrt_f32_{lanes}({_vector(lanes, 'bfloat')} {match.group(2)})"

    code = _EXTENSION.sub(extension, _TRUNCATION.sub(truncation, code))
    saturations: set[str] = set()

    def to_integer(match: re.Match[str]) -> str:
        name, count, source, close, value, bits = match.groups()
        lanes = int(re.sub(r"\D", "", count) or 0)
        suffix = f"v{lanes}" if lanes else ""
        result, operand = _vector(lanes, f"i{bits}"), f"{count}{source}{close}"
        function = f"@llvm.{name}.sat.{suffix}i{bits}.{suffix}{'f32' if source == 'float' else 'f64'}"
        saturations.add(f"declare {result} {function}({operand})")
        return f"= call {result} {function}({operand} {value})"

    code = _TO_INTEGER.sub(to_integer, code)
    functions = [_bf16(lanes, mode if lanes and lanes % LANES == 0 else "even") for lanes in sorted(truncated)]
    functions += [_f32(lanes) for lanes in sorted(extended)]
    return "\n".join([code, *functions, *sorted(saturations)])


def _f32(lanes: int) -> str:
    """bf16 to f32 in integers: LLVM makes bf16 arithmetic of extended operands, which few processors have."""
    f, i, h, b = (_vector(lanes, element) for element in ("float", "i32", "i16", "bfloat"))
    sixteen = "splat (i32 16)" if lanes else "16"
    return f"""define internal {f} @kernelrt_f32_{lanes}({b} %v) alwaysinline {{
  %short = bitcast {b} %v to {h}
  %wide = zext {h} %short to {i}
  %bits = shl {i} %wide, {sixteen}
  %result = bitcast {i} %bits to {f}
  ret {f} %result
}}"""


def _bf16(lanes: int, mode: Rounding) -> str:
    """f32 to bf16 in integers: what AVX512_BF16 would do flushes denormals, and without it LLVM calls a function."""
    f, i, h, b = (_vector(lanes, element) for element in ("float", "i32", "i16", "i1"))

    def splat(number: int) -> str:
        return f"splat (i32 {number})" if lanes else str(number)

    correction = {
        "even": f"  %c = and {i} %s16, {splat(1)}\n  %r = add {i} %c, {splat(0x7FFF)}",
        "up": f"  %c = lshr {i} %x, {splat(31)}\n  %r = sub {i} {splat(0x8000)}, %c",
        "down": f"  %c = ashr {i} %x, {splat(31)}\n  %r = and {i} %c, {splat(0xFFFF)}",
    }[mode]
    return f"""define internal {_vector(lanes, "bfloat")} @kernelrt_bf16_{lanes}({f} %v) alwaysinline {{
  %x = bitcast {f} %v to {i}
  %s16 = lshr {i} %x, {splat(16)}
{correction}
  %sum = add {i} %x, %r
  %rounded = lshr {i} %sum, {splat(16)}
  %quiet = or {i} %s16, {splat(64)}
  %nan = fcmp uno {f} %v, %v
  %bits = select {b} %nan, {i} %quiet, {i} %rounded
  %short = trunc {i} %bits to {h}
  %result = bitcast {h} %short to {_vector(lanes, "bfloat")}
  ret {_vector(lanes, "bfloat")} %result
}}"""


def _literals(line: str) -> str:
    """Floating-point constants as bits: LLVMs differ in the spellings that they read. Each has the type named last."""
    type_ = ""

    def bits(match: re.Match[str]) -> str:
        nonlocal type_
        if match.group(1):
            type_ = match.group(1)
            return type_
        literal = match.group(2)
        if type_ not in _PACKED:
            return literal
        pack, digits = _PACKED[type_]
        if literal.startswith("f0x"):
            value = bytes.fromhex(literal[3:].zfill(digits))
        else:
            value = struct.pack(pack, float(literal))[: digits // 2]
        if type_ in ("half", "bfloat"):
            return f"0x{'H' if type_ == 'half' else 'R'}{value.hex().upper()}"
        number = struct.unpack(pack, value)[0]
        return f"0x{struct.pack('>d', number).hex().upper()}"

    return _LITERAL.sub(bits, line)


def _vector(lanes: int, element: str) -> str:
    return f"<{lanes} x {element}>" if lanes else element
