"""Runtime sequences: their loops unrolled, their symbols resolved, their registers read as tasks."""

from collections.abc import Sequence as Many

from xdsl.dialects import affine, memref, scf
from xdsl.dialects.builtin import AffineMapAttr, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from kernelrt.npu.design import Flow
from kernelrt.npu.fifo import Fifo
from kernelrt.npu.hardware import Tile
from kernelrt.npu.instructions import Argument, AwaitTask, FreeTask, RuntimeSequence, SetLock, Sync
from kernelrt.npu.memref import Memref
from kernelrt.npu.text import dialect_aiex as aiex
from kernelrt.npu.text import dialect_tasks as steps
from kernelrt.npu.text import sequence_tasks as tasks
from kernelrt.npu.text import syntax
from kernelrt.npu.text.constants import constant
from kernelrt.npu.text.dialect_aie import EndOp
from kernelrt.npu.text.dialect_chains import DmaStartBdChainForOp, DmaStartBdChainOp
from kernelrt.npu.text.dialect_sequence import OldRuntimeSequenceOp, RuntimeSequenceOp, SequenceOp
from kernelrt.npu.text.scope import Scope
from kernelrt.npu.text.scope import memref as resolved
from kernelrt.npu.text.sequence import Sequence
from kernelrt.npu.text.sequence_registers import Registers
from kernelrt.npu.text.sequence_views import view


def sequences(scope: Scope, fifos: Many[Fifo], flows: Many[Flow]) -> tuple[RuntimeSequence, ...]:
    """All runtime sequences of the device."""
    traces = _traces(flows)
    return tuple(
        _sequence(scope, op, {fifo.name: fifo for fifo in fifos}, traces)
        for op in scope.walk(RuntimeSequenceOp, OldRuntimeSequenceOp)
        if isinstance(op, SequenceOp)
    )


def _traces(flows: Many[Flow]) -> frozenset[tuple[Tile, int]]:
    """The DMA channels of shim tiles into which nothing but trace comes."""
    into: dict[tuple[Tile, int], set[str]] = {}
    for flow in flows:
        for port in flow.targets:
            if port.bundle == "DMA" and port.tile.row == 0:
                into.setdefault((port.tile, port.channel), set()).add(flow.source.bundle)
    return frozenset(channel for channel, bundles in into.items() if bundles == {"Trace"})


def _sequence(
    scope: Scope, op: SequenceOp, fifos: dict[str, Fifo], traces: frozenset[tuple[Tile, int]]
) -> RuntimeSequence:
    taken = {buffer.name for buffer in scope.buffers.values()}
    values = list(op.body.blocks[0].args) if op.body.blocks else []
    arguments: list[Argument] = []
    for value in values:
        if syntax.as_memref(value.type) is None:
            raise scope.error(
                op, f"argument %{scope.name(value)} is {value.type}: only memrefs with sizes are supported"
            )
        name = scope.name(value)
        arguments.append(Argument(f"%{name}" if name in taken else name, resolved(scope, op, value.type)))
    views: dict[SSAValue, tuple[str, Memref, int]] = {
        value: (argument.name, argument.type, 0) for value, argument in zip(values, arguments, strict=True)
    }
    walk = _Walk(Sequence(scope, fifos, traces, tuple(arguments), views))
    if op.body.blocks:
        walk.block(op.body.blocks[0])
    name = op.properties.get("sym_name", op.attributes.get("sym_name"))
    return RuntimeSequence(
        name.data if isinstance(name, StringAttr) else "sequence",
        tuple(arguments),
        tuple(walk.sequence.instructions),
        scope.place(op),
    )


class _Walk:
    """Goes through the operations of a sequence in the order in which they happen."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.registers = Registers(sequence)

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.sequence.step(op)
            if not self._task(op) and not self._wait(op) and not self.registers.take(op) and not self._control(op):
                raise self.sequence.scope.error(op, f"{op.name} is not supported in a runtime sequence")

    def _task(self, op: Operation) -> bool:
        sequence = self.sequence
        if isinstance(op, aiex.DmaMemcpyNdOp):
            tasks.memcpy(sequence, op)
        elif isinstance(op, steps.DmaConfigureTaskOp | steps.DmaConfigureTaskForOp):
            tasks.configure(sequence, op)
        elif isinstance(op, DmaStartBdChainOp | DmaStartBdChainForOp):
            tasks.start_chain(sequence, op)
        elif isinstance(op, steps.DmaStartTaskOp):
            sequence.start(op, sequence.task(op, op.task))
        elif isinstance(op, steps.DmaAwaitTaskOp):
            task = sequence.task(op, op.task)
            if not sequence.tokens[task]:
                raise sequence.scope.error(
                    op, "this task issues no token to wait for: configure it with issue_token = true"
                )
            sequence.instructions.append(AwaitTask(task, sequence.scope.place(op)))
        elif isinstance(op, steps.DmaFreeTaskOp):
            sequence.instructions.append(FreeTask(sequence.task(op, op.task), sequence.scope.place(op)))
        elif isinstance(op, memref.SubviewOp | memref.ReinterpretCastOp):
            view(sequence, op)
        else:
            return isinstance(op, memref.AssumeAlignmentOp | memref.GetGlobalOp)
        return True

    def _wait(self, op: Operation) -> bool:
        sequence, scope = self.sequence, self.sequence.scope
        if isinstance(op, aiex.DmaWaitOp):
            channel = sequence.channel(op, op.attributes.get("symbol"), "symbol")
            sequence.instructions.append(Sync(channel, scope.place(op)))
        elif isinstance(op, aiex.SyncOp):
            names = ("column", "row", "direction", "channel", "column_num", "row_num")
            column, row, direction, channel, columns, rows = sequence.numbers(op, names)
            if direction not in (0, 1) or not (1 <= columns <= 4 and 1 <= rows <= 6):
                raise scope.error(op, "npu.sync: direction is 0 (S2MM) or 1 (MM2S), column_num 1 to 4, row_num 1 to 6")
            for tile in (Tile(column + x, row + y) for x in range(columns) for y in range(rows)):
                sequence.instructions.append(Sync((tile, "MM2S" if direction else "S2MM", channel), scope.place(op)))
        elif isinstance(op, steps.SetLockOp):
            lock = scope.lock(op, op.lock)
            sequence.instructions.append(SetLock(lock.name, op.value.value.data, scope.place(op)))
        else:
            return isinstance(op, aiex.PreemptOp)
        return True

    def _control(self, op: Operation) -> bool:
        if isinstance(op, scf.ForOp):
            lower, upper, step = (self.sequence.integer(op, value) for value in (op.lb, op.ub, op.step))
            self._loop(op, lower, upper, step, op.body.block, op.iter_args)
        elif isinstance(op, affine.ForOp):
            lower = max(self._bound(op, op.lowerBoundMap, op.lowerBoundOperands))
            upper = min(self._bound(op, op.upperBoundMap, op.upperBoundOperands))
            self._loop(op, lower, upper, op.step.value.data, op.body.block, op.inits)
        elif isinstance(op, scf.IfOp):
            region = op.true_region if self.sequence.integer(op, op.cond) else op.false_region
            if region.blocks:
                self.block(region.blocks[0])
                self._bind(op.results, region.blocks[0])
        else:
            return isinstance(op, EndOp | scf.YieldOp | affine.YieldOp) or op.name.startswith("arith.")
        return True

    def _bound(self, op: Operation, map: AffineMapAttr, operands: Many[SSAValue]) -> tuple[int, ...]:
        values = [self.sequence.integer(op, value) for value in operands]
        return map.data.eval(values[: map.data.num_dims], values[map.data.num_dims :])

    def _loop(self, op: Operation, lower: int, upper: int, step: int, body: Block, initial: Many[SSAValue]) -> None:
        if step < 1:
            raise self.sequence.scope.error(op, f"a step of {step}: a loop goes up by at least 1")
        carried = [self._value(value) for value in initial]
        for index in range(lower, upper, step):
            self.sequence.step(op)
            self.sequence.known[body.args[0]] = index
            for argument, value in zip(body.args[1:], carried, strict=True):
                self._set(argument, value)
            self.block(body)
            last = body.last_op
            carried = [self._value(value) for value in last.operands] if last is not None and op.results else carried
        for result, value in zip(op.results, carried, strict=True):
            self._set(result, value)

    def _bind(self, results: Many[SSAValue], block: Block) -> None:
        last = block.last_op
        for result, value in zip(results, last.operands if last is not None else (), strict=True):
            self._set(result, self._value(value))

    def _value(self, value: SSAValue) -> tuple[int | None, int | None]:
        """The integer and the task that a value is, if any."""
        return constant(value, self.sequence.known), self.sequence.tasks.get(value)

    def _set(self, target: SSAValue, value: tuple[int | None, int | None]) -> None:
        number, task = value
        self.sequence.known.pop(target, None)
        self.sequence.tasks.pop(target, None)
        if number is not None:
            self.sequence.known[target] = number
        if task is not None:
            self.sequence.tasks[target] = task
