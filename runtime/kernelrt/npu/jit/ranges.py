"""What values an integer can take, where the program says so: bounds of loops and arithmetic on them."""

from dataclasses import dataclass

from kernelrt.npu.jit.api import Mlir, Operation, Value

_SLT = 2  # arith.cmpi's predicate: signed less than


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends are values that it may take."""

    low: int
    high: int

    @staticmethod
    def around(*values: int) -> "Range":
        return Range(min(values), max(values))


class Ranges:
    """Ranges of the values of one module, in which loops are scf.for still."""

    def __init__(self, mlir: Mlir) -> None:
        self._ir = mlir.ir
        self._known: dict[Value, Range | None] = {}

    def constant(self, value: Value) -> int | None:
        found = self.of(value)
        return found.low if found is not None and found.low == found.high else None

    def trips(self, loop: Operation) -> int | None:
        """How often the body of an scf.for runs, if that is constant."""
        low, high, step = (self.constant(operand) for operand in list(loop.operands)[:3])
        if low is None or high is None or step is None or step <= 0:
            return None
        return max(0, -(-(high - low) // step))

    def of(self, value: Value) -> Range | None:
        if value not in self._known:
            self._known[value] = None  # while it is looked for: a value that depends on itself is unknown
            self._known[value] = self._fitting(value)
        return self._known[value]

    def _fitting(self, value: Value) -> Range | None:
        """The range, if arithmetic cannot have wrapped around; else that of the type, if it is narrow."""
        if isinstance(value.type, self._ir.IndexType):
            width = 64
        elif isinstance(value.type, self._ir.IntegerType):
            width = int(value.type.width)
        else:
            return None
        whole = Range(-(2 ** (width - 1)), 2 ** (width - 1) - 1)
        found = self._argument(value) if isinstance(value, self._ir.BlockArgument) else self._result(value.owner)
        if found is not None and whole.low <= found.low and found.high <= whole.high:
            return found
        return whole if 1 < width <= 32 else None

    def _argument(self, value: Value) -> Range | None:
        argument = value
        loop = argument.owner.owner
        if loop is None or loop.operation.name != "scf.for" or argument.arg_number != 0:
            return None
        low, high, step = (self.of(operand) for operand in list(loop.operation.operands)[:3])
        if low is None or high is None or step is None or step.low <= 0:
            return None
        last = high.high - 1
        if low.low == low.high and step.low == step.high:
            last = low.low + (last - low.low) // step.low * step.low
        return Range(low.low, max(low.low, last))

    def _result(self, operation: Operation) -> Range | None:
        operation = operation.operation
        name = str(operation.name)
        if name == "arith.constant":
            attribute = operation.attributes["value"]
            if not isinstance(attribute, self._ir.IntegerAttr):
                return None
            number = int(attribute.value)
            return Range(number, number)
        if not name.startswith("arith."):
            return None
        if name == "arith.select":
            chosen = list(operation.operands)
            if self._never(chosen[0]):
                return self.of(chosen[2])
            left, right = self.of(chosen[1]), self.of(chosen[2])
            return None if left is None or right is None else Range.around(left.low, left.high, right.low, right.high)
        operands = [self.of(operand) for operand in operation.operands]
        first = operands[0] if operands else None
        if first is None:
            return None
        if len(operands) == 1:
            return _converted(name, first)
        second = operands[1]
        return None if second is None else _combined(name, first, second)

    def _never(self, condition: Value) -> bool:
        """Whether it is `a < b` with no a below any b: what remains of affine's mod and floordiv on natural numbers."""
        if isinstance(condition, self._ir.BlockArgument) or condition.owner.name != "arith.cmpi":
            return False
        left, right = (self.of(operand) for operand in condition.owner.operands)
        less = int(condition.owner.attributes["predicate"].value) == _SLT
        return less and left is not None and right is not None and left.low >= right.high


def _converted(name: str, value: Range) -> Range | None:
    if name in ("arith.index_cast", "arith.extsi", "arith.trunci"):
        return value
    if name in ("arith.extui", "arith.index_castui"):
        return value if value.low >= 0 else None
    return None


def _combined(name: str, left: Range, right: Range) -> Range | None:
    positive = left.low >= 0 and right.low > 0
    constant = right.low if right.low == right.high else None
    match name.removeprefix("arith."):
        case "addi":
            return Range(left.low + right.low, left.high + right.high)
        case "subi":
            return Range(left.low - right.high, left.high - right.low)
        case "muli":
            return Range.around(*(a * b for a in (left.low, left.high) for b in (right.low, right.high)))
        case "divui" | "divsi" | "floordivsi" if positive:
            return Range(left.low // right.high, left.high // right.low)
        case "remui" | "remsi" if positive:
            return Range(0, min(left.high, right.high - 1)) if left.high >= right.low else left
        case "remsi" if right.low > 0:
            return Range(1 - right.high, right.high - 1)
        case "shli" if constant is not None and 0 <= constant < 63:
            return Range(left.low << constant, left.high << constant)
        case "shrui" | "shrsi" if constant is not None and 0 <= constant < 63 and left.low >= 0:
            return Range(left.low >> constant, left.high >> constant)
        case "andi" if right.low >= 0:
            return Range(0, right.high)
        case "minsi":
            return Range(min(left.low, right.low), min(left.high, right.high))
        case "minui" if left.low >= 0 and right.low >= 0:
            return Range(min(left.low, right.low), min(left.high, right.high))
        case "maxsi":
            return Range(max(left.low, right.low), max(left.high, right.high))
        case _:
            return None
