"""Counting how often each block of a core's body runs, with as little added code as possible."""

from dataclasses import dataclass

from kernelrt.npu.jit.api import Block, Operation, Value
from kernelrt.npu.jit.checks import Checks
from kernelrt.npu.jit.cost import Cost, cost_of
from kernelrt.npu.jit.module import Parsed, called, symbol, walk
from kernelrt.npu.jit.operations import SITE
from kernelrt.npu.jit.ranges import Ranges
from kernelrt.npu.jit.rewrite import COUNT, SPIN

_ENDLESS = 2**32  # trips that take seconds without any operation on the machine
_SLT, _SGE = 2, 5  # arith.cmpi's predicates


@dataclass(frozen=True, slots=True)
class BlockCost:
    """A block of the program, or the part of one between two operations that may wait: it ran `counters[counter] *
    factor` times, each time at `cost`. `depth`: loops around it. `line`: line and column of its first operation in the
    program's text."""

    counter: int
    factor: int
    depth: int
    cost: Cost
    line: tuple[int, int]


class Counters:
    """Counts the blocks of a module's functions and collects what they cost. A loop without calls whose number of trips
    is known on entry needs no counting inside. `spins` are the places of loops that may wait for memory to change."""

    def __init__(self, parsed: Parsed, ranges: Ranges, checks: Checks) -> None:
        self.blocks: list[BlockCost] = []
        self.spins: list[tuple[int, int]] = []
        self.count = 0
        self._parsed = parsed
        self._mlir = parsed.mlir
        self._ranges = ranges
        self._checks = checks
        self._leaving: dict[str, bool] = {}  # functions with calls of the machine inside, by name

    def add(self, function: Operation) -> None:
        blocks = list(function.regions[0].blocks)
        for number, block in enumerate(blocks):
            looping = any(previous in blocks[number:] for previous in block.predecessors)
            counter = self._counted(_first(block), spin=looping)
            self._block(block, counter, 1, 1 if len(blocks) > 1 else 0)

    def _block(self, block: Block, counter: int, factor: int, depth: int) -> None:
        first, *others = self._parts(block)
        self._part(first, counter, factor, depth)
        for part in others:
            self._part(part, self._counted(part[0]), 1, depth)

    def _parts(self, block: Block) -> list[list[Operation]]:
        """A block's operations, cut behind each that may wait: what comes behind it takes its time behind it."""
        *operations, end = (operation.operation for operation in block.operations)
        parts: list[list[Operation]] = [[]]
        waits = False
        for operation in operations:
            if waits:
                parts.append([])
            parts[-1].append(operation)
            waits = self._leaves(operation) or self._calls_machine(called(operation) or "")
        parts[-1].append(end)
        return parts

    def _part(self, operations: list[Operation], counter: int, factor: int, depth: int) -> None:
        own = [operation for operation in operations if not (called(operation) or "").startswith("kernelrt_")]
        if not own:
            return
        cost = Cost.sum([cost_of(self._mlir, operation) for operation in own])
        self.blocks.append(BlockCost(counter, factor, depth, cost, self._parsed.line(own[0])))
        for operation in own:
            if operation.name == "scf.for":
                self._for(operation, counter, factor, depth)
            elif operation.name.startswith("scf."):
                inside = depth + (operation.name in ("scf.while", "scf.parallel", "scf.forall"))
                for region in operation.regions:
                    for inner in filter(_has_operations, region.blocks):
                        spin = operation.name == "scf.while"
                        self._block(inner, self._counted(_first(inner), spin=spin), 1, inside)

    def _for(self, loop: Operation, counter: int, factor: int, depth: int) -> None:
        body = loop.regions[0].blocks[0]
        trips = self._ranges.trips(loop)
        if self._leaves(loop):
            self._block(body, self._counted(_first(body)), 1, depth + 1)
        elif trips is None:
            self._block(body, self._counted_on_entry(loop), 1, depth + 1)
        elif trips < _ENDLESS:
            self._block(body, counter, factor * trips, depth + 1)
        else:
            self._block(body, self._counted(_first(body), spin=True), 1, depth + 1)

    def _counted(self, first: Operation, *, spin: bool = False) -> int:
        """A new counter, one up each time that the block comes to `first`; with `spin`, its loop calls out now and
        then."""
        with self._mlir.ir.InsertionPoint(first), first.location:
            self._call(COUNT, [self._i64(self.count), self._mlir.index(1)])
            if spin:
                site = len(self._parsed.program.sites) + len(self.spins)
                self._call(SPIN, [self._i64(self.count), self._i64(site)])
                self.spins.append(self._parsed.line(first))
        self.count += 1
        return self.count - 1

    def _counted_on_entry(self, loop: Operation) -> int:
        """A new counter, up by the number of trips each time that the loop is entered."""
        low, high, step = list(loop.operands)[:3]

        def binary(name: str, left: Value, right: Value) -> Value:
            return self._mlir.value(f"arith.{name}", [left, right], low.type)

        with self._checks.in_front(loop):
            one = self._mlir.constant(1, low.type)
            bad_step = self._checks.compare(_SLT, step, one)
            step_number = self._as_index(step)
            self._checks.fault_if(bad_step, step_number, loop, "a loop's step must be positive, not {number}")
            rounded = binary("subi", binary("addi", binary("subi", high, low), step), one)
            trips = binary("maxsi", binary("divsi", rounded, step), self._mlir.constant(0, low.type))
            number = self._as_index(trips)
            endless = self._checks.compare(_SGE, number, self._mlir.index(_ENDLESS))
            self._checks.fault_if(
                endless, number, loop, "this loop would run {number} times: its bounds cannot be right"
            )
            self._call(COUNT, [self._i64(self.count), number])
        self.count += 1
        return self.count - 1

    def _as_index(self, value: Value) -> Value:
        index = self._mlir.ir.IndexType.get()
        return value if value.type == index else self._mlir.value("arith.index_cast", [value], index)

    def _i64(self, number: int) -> Value:
        return self._mlir.constant(number, self._mlir.ir.IntegerType.get_signless(64))

    def _call(self, name: str, operands: "list[Value]") -> None:
        callee = self._mlir.ir.FlatSymbolRefAttr.get(name)
        self._mlir.create("func.call", operands, [], {"callee": callee})

    def _leaves(self, operation: Operation) -> bool:
        """Whether a call of the machine is inside."""
        return any(self._calls_machine(callee) for callee in map(called, walk(operation)) if callee)

    def _calls_machine(self, callee: str) -> bool:
        if callee.startswith(SITE):
            return True
        if not callee or callee.startswith("kernelrt_"):
            return False
        if callee not in self._leaving:
            functions = {symbol(function): function for function in self._parsed.used()}
            self._leaving[callee] = self._leaves(functions[callee])
        return self._leaving[callee]


def _first(block: Block) -> Operation:
    return next(iter(block.operations)).operation


def _has_operations(block: Block) -> bool:
    """Not the empty one of scf.forall."""
    return any(True for _ in block.operations)
