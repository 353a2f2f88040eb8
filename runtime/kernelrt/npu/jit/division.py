"""Integer divisions that round down or up, in terms of those that round towards zero."""

from kernelrt.npu.jit.api import Mlir, Operation, Value
from kernelrt.npu.jit.values import replace, with_element

ROUNDED_DIVISIONS = ("arith.floordivsi", "arith.ceildivsi", "arith.ceildivui")
_NE, _SLT = 1, 2  # arith.cmpi's predicates


def rewrite_division(mlir: Mlir, operation: Operation) -> None:
    ir = mlir.ir
    left, right = operation.operands
    type_ = left.type
    bits = with_element(mlir, type_, ir.IntegerType.get_signless(1))
    zero, one = mlir.constant(0, type_), mlir.constant(1, type_)

    def compare(predicate: int, a: Value, b: Value) -> Value:
        attribute = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), predicate)
        return mlir.value("arith.cmpi", [a, b], bits, predicate=attribute)

    signed = operation.name != "arith.ceildivui"
    quotient = mlir.value("arith.divsi" if signed else "arith.divui", [left, right], type_)
    remainder = mlir.value("arith.remsi" if signed else "arith.remui", [left, right], type_)
    inexact = compare(_NE, remainder, zero)
    if signed:
        opposite = mlir.value("arith.xori", [compare(_SLT, left, zero), compare(_SLT, right, zero)], bits)
        if operation.name == "arith.ceildivsi":
            opposite = mlir.value("arith.xori", [opposite, mlir.constant(1, bits)], bits)
        inexact = mlir.value("arith.andi", [inexact, opposite], bits)
    change = "arith.subi" if operation.name == "arith.floordivsi" else "arith.addi"
    changed = mlir.value(change, [quotient, one], type_)
    replace(operation, mlir.value("arith.select", [inexact, changed, quotient], type_))
