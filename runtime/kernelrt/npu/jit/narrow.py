"""Integers made narrower the way that AIE2's shift-round-saturate unit does it."""

from kernelrt.npu.jit.api import Mlir, Operation, Value
from kernelrt.npu.jit.values import defined_by, element, lanes, replace, shape, splat

LANES = 16  # vectors of a multiple of these go through the unit


def narrows(mlir: Mlir, operation: Operation) -> bool:
    """Whether mlir-aie makes one shift-round-saturate of an arith.trunci and the shift and clamp in front of it."""
    if operation.name != "arith.trunci":
        return False
    type_ = operation.results[0].type
    width, from_width = (int(element(mlir, each).width) for each in (type_, operation.operands[0].type))
    if width not in (8, 16, 32) or from_width not in (16, 32, 64):
        return False
    source, _ = _before_clamp(mlir, operation.operands[0], width)
    clamped = source != operation.operands[0]
    shifted = _shift(mlir, source) is not None
    if not shape(mlir, type_):
        return width in (8, 16) and from_width == 32 and (shifted or clamped)
    return shifted or lanes(mlir, type_) % LANES == 0


def rewrite_narrow(mlir: Mlir, operation: Operation) -> None:
    """The same in standard operations: the shift rounds halfway cases up, the result saturates."""
    type_ = operation.results[0].type
    width = int(element(mlir, type_).width)
    source, signed = _before_clamp(mlir, operation.operands[0], width)
    wide = source.type
    shift = _shift(mlir, source)
    if shift is not None:
        value, amount = shift
        # halfway cases up: what remains after all but one bit of the shift, plus one, shifted by the last one
        if amount > 1:
            value = mlir.value("arith.shrsi", [value, mlir.constant(amount - 1, wide)], wide)
        one = mlir.constant(1, wide)
        odd = mlir.value("arith.andi", [value, one], wide)
        source = mlir.value("arith.shrsi", [value, one], wide)
        source = mlir.value("arith.addi", [source, odd], wide)
    low, high = _limits(width, signed)
    source = mlir.value("arith.maxsi", [source, mlir.constant(low, wide)], wide)
    source = mlir.value("arith.minsi", [source, mlir.constant(high, wide)], wide)
    replace(operation, mlir.value("arith.trunci", [source], type_))


def _shift(mlir: Mlir, value: Value) -> tuple[Value, int] | None:
    """What a value is shifted from, and by how much, if that is constant."""
    shift = defined_by(mlir, value, "arith.shrsi")
    amount = splat(mlir, shift.operands[1]) if shift is not None else None
    return (shift.operands[0], amount) if shift is not None and amount is not None and amount > 0 else None


def _limits(width: int, signed: bool) -> tuple[int, int]:
    return (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)


def _before_clamp(mlir: Mlir, value: Value, width: int) -> tuple[Value, bool]:
    """What is clamped to the range of that many bits, and whether to the signed one; else the value itself."""
    for outer, inner in (("arith.minsi", "arith.maxsi"), ("arith.maxsi", "arith.minsi")):
        first = defined_by(mlir, value, outer)
        second = defined_by(mlir, first.operands[0], inner) if first is not None else None
        if first is None or second is None:
            continue
        limits = {outer: splat(mlir, first.operands[1]), inner: splat(mlir, second.operands[1])}
        for signed in (True, False):
            if (limits["arith.maxsi"], limits["arith.minsi"]) == _limits(width, signed):
                return second.operands[0], signed
    return value, True
