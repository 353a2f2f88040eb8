"""Checks put in front of memory accesses and divisions that are not proved to be right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelrt.npu.jit.api import Operation, Value
from kernelrt.npu.jit.module import Parsed
from kernelrt.npu.jit.ranges import Ranges
from kernelrt.npu.jit.rewrite import FAULT

_DYNAMIC = -(2**63)
_EQ, _UGE = 0, 9  # arith.cmpi's predicates
_DIVISIONS = frozenset(
    f"arith.{name}" for name in ("divsi", "divui", "remsi", "remui", "ceildivsi", "ceildivui", "floordivsi")
)
# operation -> where its memref and its first index stand among the operands
_ACCESSES = {
    "memref.load": 0,
    "memref.store": 1,
    "memref.atomic_rmw": 1,
    "memref.generic_atomic_rmw": 0,
    "vector.load": 0,
    "vector.store": 1,
    "vector.transfer_read": 0,
    "vector.transfer_write": 1,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What the program did wrong, at a line and column of its text; `{number}` stands for the number that it did it
    with, `{buffer_0}`, `{site_0}` for names."""

    line: tuple[int, int]
    problem: str


class Checks:
    """Adds checks to operations of a module and collects what each of them reports."""

    def __init__(self, parsed: Parsed, ranges: Ranges) -> None:
        self.faults: list[Fault] = []
        self._parsed = parsed
        self._mlir = parsed.mlir
        self._ranges = ranges

    def add(self, operation: Operation) -> None:
        name = str(operation.name)
        if name in _ACCESSES:
            self._access(operation, _ACCESSES[name])
        elif name == "memref.subview":
            self._subview(operation)
        elif name in _DIVISIONS:
            self._division(operation)
        elif name == "cf.assert":
            self._assertion(operation)

    def _access(self, operation: Operation, first: int) -> None:
        ir = self._mlir.ir
        memref = operation.operands[first]
        if not isinstance(memref.type, ir.MemRefType):
            return  # a transfer to or from a tensor
        rank = int(memref.type.rank)
        indices = list(operation.operands)[first + 1 : first + 1 + rank]
        if operation.name.startswith("vector.transfer_"):
            segments = [int(n) for n in operation.attributes["operandSegmentSizes"]]
            if segments[-1]:
                return  # masked: lanes beyond the end are left out
            extents = self._transferred(operation, first, rank)
            operation.attributes["in_bounds"] = ir.ArrayAttr.get(
                [ir.BoolAttr.get(True) for _ in range(len(operation.attributes["in_bounds"]))]
            )
        elif operation.name.startswith("vector."):
            vector = (operation.results if first == 0 else operation.operands)[0].type
            shape = [int(n) for n in vector.shape]
            if len(shape) == 1 and rank > 1:
                self._across_rows(operation, memref, indices, shape[0])
                return
            extents = [1] * (rank - len(shape)) + shape
        else:
            extents = [1] * rank
        for dimension, (index, extent) in enumerate(zip(indices, extents, strict=True)):
            self._within(operation, memref, dimension, index, extent)

    def _transferred(self, operation: Operation, first: int, rank: int) -> list[int]:
        """How many elements of each of the memref's dimensions a transfer touches."""
        ir = self._mlir.ir
        vector = (operation.results if first == 0 else operation.operands)[0].type
        extents = [1] * rank
        results = operation.attributes["permutation_map"].value.results
        for size, result in zip(vector.shape, results, strict=True):
            if isinstance(result, ir.AffineDimExpr):
                extents[result.position] = int(size)
        return extents

    def _within(self, operation: Operation, memref: Value, dimension: int, index: Value, extent: int) -> None:
        """index .. index + extent - 1 must lie in that dimension."""
        size = int(memref.type.shape[dimension])
        known = self._ranges.of(index)
        if size != _DYNAMIC and known is not None and known.low >= 0 and known.high + extent <= size:
            return
        with self.in_front(operation):
            if size == _DYNAMIC:
                which = self._mlir.index(dimension)
                limit = self._mlir.value("memref.dim", [memref, which], self._index)
                limit = self._mlir.value("arith.subi", [limit, self._mlir.index(extent - 1)], self._index)
            else:
                limit = self._mlir.index(max(0, size - extent + 1))
            self.fault_if(self.compare(_UGE, index, limit), index, operation, self._problem(memref, dimension, extent))

    def _across_rows(self, operation: Operation, memref: Value, indices: Sequence[Value], count: int) -> None:
        """vector.load and store of one row may run on into the next ones where these follow without a gap."""
        shape = [int(n) for n in memref.type.shape]
        strides = [math.prod(shape[dimension + 1 :]) for dimension in range(len(shape))]
        with self.in_front(operation):
            flat = self._mlir.index(0)
            for index, stride in zip(indices, strides, strict=True):
                scaled = self._mlir.value("arith.muli", [index, self._mlir.index(stride)], self._index)
                flat = self._mlir.value("arith.addi", [flat, scaled], self._index)
            limit = self._mlir.index(max(0, math.prod(shape) - count + 1))
            whole = f"{self._parsed.describe(memref)} ({memref.type})"
            what = f"{count} elements from {{number}} on of {whole} go beyond its end"
            self.fault_if(self.compare(_UGE, flat, limit), flat, operation, what)

    def _subview(self, operation: Operation) -> None:
        """Static offsets are MLIR's to check; of dynamic ones only those with a static size are known here."""
        static = [[int(n) for n in operation.attributes[f"static_{part}"]] for part in ("offsets", "sizes", "strides")]
        dynamic = iter(list(operation.operands)[1:])
        for dimension, (offset, size, stride) in enumerate(zip(*static, strict=True)):
            if offset != _DYNAMIC:
                continue
            value = next(dynamic)
            if size != _DYNAMIC and stride != _DYNAMIC:
                self._within(operation, operation.operands[0], dimension, value, (size - 1) * stride + 1)

    def _division(self, operation: Operation) -> None:
        divisor = operation.operands[1]
        known = self._ranges.of(divisor)
        if known is not None and (known.low > 0 or known.high < -1):
            return
        ir = self._mlir.ir
        with self.in_front(operation):
            bad = self.compare(_EQ, divisor, self._mlir.constant(0, divisor.type))
            element = divisor.type.element_type if isinstance(divisor.type, ir.VectorType) else divisor.type
            if operation.name not in ("arith.divui", "arith.remui", "arith.ceildivui"):
                lowest = -(2 ** (63 if isinstance(element, ir.IndexType) else element.width - 1))
                minus_one = self.compare(_EQ, divisor, self._mlir.constant(-1, divisor.type))
                overflow = self.compare(_EQ, operation.operands[0], self._mlir.constant(lowest, divisor.type))
                both = self._mlir.value("arith.andi", [minus_one, overflow], bad.type)
                bad = self._mlir.value("arith.ori", [bad, both], bad.type)
            if isinstance(bad.type, ir.VectorType):
                kind = ir.Attribute.parse("#vector.kind<or>")
                flat = ir.VectorType.get([math.prod(bad.type.shape)], ir.IntegerType.get_signless(1))
                bad = self._mlir.value("vector.shape_cast", [bad], flat)
                bad = self._mlir.value("vector.reduction", [bad], ir.IntegerType.get_signless(1), kind=kind)
            self.fault_if(bad, self._mlir.index(0), operation, "division by zero, or of the lowest number by -1")

    def _assertion(self, operation: Operation) -> None:
        bit = operation.operands[0].type
        with self.in_front(operation):
            bad = self._mlir.value("arith.xori", [operation.operands[0], self._mlir.constant(1, bit)], bit)
            text = str(operation.attributes["msg"]).strip('"')
            self.fault_if(bad, self._mlir.index(0), operation, f"the program's own assertion failed: {text}")
        operation.erase()

    def _problem(self, memref: Value, dimension: int, extent: int) -> str:
        what = f"{self._parsed.describe(memref)} ({memref.type})"
        if extent == 1:
            return f"index {{number}} of dimension {dimension} is outside of {what}"
        return f"{extent} elements from {{number}} on in dimension {dimension} go beyond {what}"

    @property
    def _index(self) -> object:
        return self._mlir.ir.IndexType.get()

    def in_front(self, operation: Operation) -> "_Place":
        """Insertion point and location of what is added for the operation."""
        return _Place(self._mlir.ir.InsertionPoint(operation), operation.location)

    def compare(self, predicate: int, left: Value, right: Value) -> Value:
        ir = self._mlir.ir
        bit = ir.IntegerType.get_signless(1)
        result = ir.VectorType.get(left.type.shape, bit) if isinstance(left.type, ir.VectorType) else bit
        attribute = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), predicate)
        return self._mlir.value("arith.cmpi", [left, right], result, predicate=attribute)

    def fault_if(self, condition: Value, number: Value, operation: Operation, problem: str) -> None:
        """Ends the program where the condition holds; `{number}` in `problem` stands for the number."""
        ir = self._mlir.ir
        branch = self._mlir.create("scf.if", [condition], [], regions=2)
        block = branch.regions[0].blocks.append()
        with ir.InsertionPoint(block):
            which = self._mlir.constant(len(self.faults), ir.IntegerType.get_signless(64))
            self._mlir.create("func.call", [which, number], [], {"callee": ir.FlatSymbolRefAttr.get(FAULT)})
            self._mlir.create("scf.yield", [], [])
        self.faults.append(Fault(self._parsed.line(operation), problem))


class _Place:
    """Insertion point and location together."""

    def __init__(self, point: Operation, location: Operation) -> None:
        self._point = point
        self._location = location

    def __enter__(self) -> None:
        self._location.__enter__()
        self._point.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._point.__exit__(*exception)
        self._location.__exit__(*exception)
