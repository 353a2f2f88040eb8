"""AIE2's arithmetic where it differs from that of standard MLIR on a CPU.

The model, and where it comes from:

- `vector.contract`: products of bf16 (exact in f32) are added to the f32 accumulator one after the other, in the order
  of the reduction indices; integer products wrap around in the accumulator's width. Hardware adds the products of one
  instruction in an order of its own and drops low bits of the smaller ones, so the last bits may differ.
- Conversion f32 -> bf16 of 16 lanes (or a multiple) goes through the accumulator's shift-round-saturate path, whose
  rounding mode mlir-aie sets once at the start of a core (lib/Dialect/AIE/Transforms/AIECoreToStandard.cpp): to the
  nearest even where the core multiplies bf16 matrices, halfway cases up where it narrows integers, else down. Anything
  else (scalars, other lane counts) is software: nearest even.
- `arith.trunci` of such vectors, and shrsi + trunci (also with a clamp between them), become one shift-round-saturate:
  the shift rounds halfway cases up and the result saturates (ibid.; lib/Dialect/AIEVec/Transforms/
  VectorToAIEVecConversions.cpp, ShiftClampTruncToSRSPattern). Everything else wraps around, as in MLIR.
- `vector.reduction <add>` of f32 and bf16: halves are added to one another, 8 lanes apart, then 4, 2, 1 (ibid.).
- Denormals: "not supported by the AIE-ML floating-point data path" (AM020): read and written as zero (emit.py sets the
  processor's mode).
- bf16 arithmetic is done in f32 and rounded once at the end. f32 products, which AIE2 makes of several bf16 products
  with an error of about 2^-22, are rounded as IEEE 754 says. NaN and the sign of a zero that max and min give are
  those of IEEE 754-2019. Float to integer conversion saturates, NaN gives 0.
"""

from typing import Literal

from kernelrt.npu.jit.api import Mlir, Operation
from kernelrt.npu.jit.contract import rewrite_contract
from kernelrt.npu.jit.division import ROUNDED_DIVISIONS, rewrite_division
from kernelrt.npu.jit.narrow import LANES, narrows, rewrite_narrow
from kernelrt.npu.jit.values import (
    defined_by,
    element,
    extended,
    first_lane,
    lanes,
    replace,
    shuffled,
    truncated,
    with_element,
)

Rounding = Literal["even", "up", "down"]  # to the nearest, halfway cases to even or up; towards minus infinity
# Of arith and math on bf16, what needs no arithmetic or is a conversion itself; of other dialects, what computes.
_AS_THEY_ARE = frozenset(f"arith.{name}" for name in ("constant", "select", "bitcast", "extf", "truncf", "cmpf"))
_OF_VECTORS = frozenset(["vector.fma", "vector.outerproduct", "vector.multi_reduction"])


def rounding(mlir: Mlir, operations: list[Operation]) -> Rounding:
    """The mode that mlir-aie sets for a core with these operations."""
    bf16 = mlir.ir.BF16Type.get()
    for operation in operations:
        if operation.name == "vector.contract":
            extension = defined_by(mlir, operation.operands[0], "arith.extf")
            factor = operation.operands[0] if extension is None else extension.operands[0]
            if element(mlir, factor.type) == bf16:
                return "even"
    return "up" if any(narrows(mlir, operation) for operation in operations) else "down"


def rewrite_arithmetic(mlir: Mlir, operation: Operation) -> None:
    """Puts an equivalent in standard operations in its place where AIE2 differs; may erase it."""
    with mlir.ir.InsertionPoint(operation), operation.location:
        if operation.name == "vector.contract":
            rewrite_contract(mlir, operation)
        elif operation.name == "vector.reduction":
            _reduction(mlir, operation)
        elif operation.name in ROUNDED_DIVISIONS:
            rewrite_division(mlir, operation)
        elif narrows(mlir, operation):
            rewrite_narrow(mlir, operation)
        elif operation.name == "arith.truncf":
            # without a rounding mode of its own, which AIE2's does not have
            replace(operation, truncated(mlir, operation.operands[0], operation.results[0].type))
        elif _computes_bf16(mlir, operation):
            _in_f32(mlir, operation)


def _reduction(mlir: Mlir, operation: Operation) -> None:
    ir = mlir.ir
    vector, *start = operation.operands
    kind = operation.attributes["kind"]
    narrow = element(mlir, vector.type)
    count = lanes(mlir, vector.type)
    if not isinstance(narrow, ir.FloatType):
        return
    is_bf16 = narrow == ir.BF16Type.get()
    add = "<add>" in str(kind)
    if add and count > 1 and count & (count - 1) == 0 and (count % LANES == 0 or not is_bf16):
        total = extended(mlir, vector, ir.F32Type.get()) if is_bf16 else vector
        while count > 1:
            count //= 2
            halves = [shuffled(mlir, total, list(range(at, at + count))) for at in (0, count)]
            total = mlir.value("arith.addf", halves, halves[0].type)
        result = first_lane(mlir, total)
        if is_bf16:
            result = truncated(mlir, result, narrow)
        for value in start:
            wide = [extended(mlir, each, ir.F32Type.get()) if is_bf16 else each for each in (result, value)]
            result = mlir.value("arith.addf", wide, wide[0].type)
            result = truncated(mlir, result, narrow) if is_bf16 else result
        replace(operation, result)
    elif is_bf16:
        wide = [extended(mlir, value, ir.F32Type.get()) for value in (vector, *start)]
        replace(operation, truncated(mlir, mlir.value("vector.reduction", wide, ir.F32Type.get(), kind=kind), narrow))


def _computes_bf16(mlir: Mlir, operation: Operation) -> bool:
    name = str(operation.name)
    if (name.split(".")[0] not in ("arith", "math") and name not in _OF_VECTORS) or name in _AS_THEY_ARE:
        return False
    bf16 = mlir.ir.BF16Type.get()
    types = [value.type for value in (*operation.operands, *operation.results)]
    return len(operation.results) == 1 and any(element(mlir, type_) == bf16 for type_ in types)


def _in_f32(mlir: Mlir, operation: Operation) -> None:
    """The same operation between extensions and a truncation."""
    bf16, f32 = mlir.ir.BF16Type.get(), mlir.ir.F32Type.get()
    operands = [
        extended(mlir, value, f32) if element(mlir, value.type) == bf16 else value for value in operation.operands
    ]
    type_ = operation.results[0].type
    wide = with_element(mlir, type_, f32) if element(mlir, type_) == bf16 else type_
    attributes = {name: operation.attributes[name] for name in operation.attributes}
    result = mlir.value(str(operation.name), operands, wide, **attributes)
    replace(operation, result if wide == type_ else truncated(mlir, result, type_))
