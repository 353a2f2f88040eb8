"""Integers that a design computes outside of its cores: arith on constants."""

from collections.abc import Callable, Mapping
from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType
from xdsl.ir import Attribute, OpResult, SSAValue

Known = Mapping[SSAValue, int]  # what loops and arguments bound

_BINARY: dict[type, Callable[[int, int], int]] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
    arith.DivSIOp: lambda a, b: _quotient(a, b),
    arith.DivUIOp: lambda a, b: _quotient(a, b),
    arith.FloorDivSIOp: lambda a, b: a // b,
    arith.CeilDivSIOp: lambda a, b: -(-a // b),
    arith.RemSIOp: lambda a, b: a - b * _quotient(a, b),
    arith.RemUIOp: lambda a, b: a - b * _quotient(a, b),
    arith.MinSIOp: min,
    arith.MaxSIOp: max,
    arith.AndIOp: lambda a, b: a & b,
    arith.OrIOp: lambda a, b: a | b,
    arith.XOrIOp: lambda a, b: a ^ b,
    arith.ShLIOp: lambda a, b: a << min(b, 64) if b >= 0 else 0,
    arith.ShRSIOp: lambda a, b: a >> min(b, 64) if b >= 0 else 0,
}
_CASTS = (arith.IndexCastOp, arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp)
# In the order of arith.cmpi's predicate; the unsigned ones of numbers that are not negative.
_COMPARE: tuple[Callable[[int, int], bool], ...] = (
    lambda a, b: a == b,
    lambda a, b: a != b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
)


def _quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def constant(value: SSAValue, known: Known) -> int | None:
    """The integer that `value` is, None where it is known at run time alone."""
    if value in known:
        return known[value]
    op = value.owner if isinstance(value, OpResult) else None
    if isinstance(op, arith.ConstantOp):
        return op.value.value.data if isinstance(op.value, IntegerAttr) else None
    if isinstance(op, _CASTS):
        inner = constant(op.operands[0], known)
        return None if inner is None else _wrap(inner, value)
    compute = _BINARY.get(type(op))
    if compute is None and not isinstance(op, arith.CmpiOp | arith.SelectOp):
        return None
    assert op is not None
    inputs = [constant(operand, known) for operand in op.operands]
    numbers = [number for number in inputs if number is not None]
    if len(numbers) != len(inputs):
        return None
    if isinstance(op, arith.SelectOp):
        return numbers[1] if numbers[0] else numbers[2]
    if isinstance(op, arith.CmpiOp):
        return int(_COMPARE[op.predicate.value.data](numbers[0], numbers[1]))
    assert compute is not None
    try:
        return _wrap(compute(numbers[0], numbers[1]), value)
    except ZeroDivisionError:
        return None


def _width(type: Attribute) -> int:
    return cast("IntegerType", type).width.data if isinstance(type, IntegerType) else 64


def _wrap(number: int, value: SSAValue) -> int:
    """`number` in two's complement of the value's width."""
    width = _width(value.type)
    return (number + (1 << width >> 1)) % (1 << width) - (1 << width >> 1)
