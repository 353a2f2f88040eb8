"""What a runtime sequence comes to, instruction by instruction, while it is resolved."""

from collections.abc import Sequence as Many
from dataclasses import dataclass, field

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Attribute, Operation, SSAValue

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd
from kernelrt.npu.fifo import Fifo
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.instructions import Argument, ConfigureTask, Instruction, StartTask
from kernelrt.npu.memref import Memref
from kernelrt.npu.text import syntax
from kernelrt.npu.text.constants import constant
from kernelrt.npu.text.dialect_aie import ShimDMAAllocationOp
from kernelrt.npu.text.scope import Scope

Channel = tuple[Tile, Direction, int]

MOST = 100_000  # instructions of a sequence, and steps of its loops


@dataclass(slots=True)
class Sequence:
    """The state while a sequence is walked: `known` integers and `tasks` of SSA values, `views` of arguments (name,
    type, offset in elements), and the instructions so far. `traces`: S2MM channels of shim tiles that get nothing but
    trace."""

    scope: Scope
    fifos: dict[str, Fifo]
    traces: frozenset[tuple[Tile, int]]
    arguments: tuple[Argument, ...]
    views: dict[SSAValue, tuple[str, Memref, int]]
    known: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    tasks: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    tokens: dict[int, bool] = field(default_factory=dict[int, bool])
    instructions: list[Instruction] = field(default_factory=list[Instruction])
    steps: int = 0

    def step(self, op: Operation) -> None:
        """Counts one operation. Raises DesignError where a loop comes to too many."""
        self.steps += 1
        if self.steps > MOST:
            raise self.scope.error(
                op, f"this sequence comes to more than {MOST} steps: its loops are unrolled, make them shorter"
            )

    def integer(self, op: Operation, value: SSAValue) -> int:
        found = constant(value, self.known)
        if found is None:
            raise self.scope.error(
                op, f"%{self.scope.name(value)} is known at run time alone: {op.name} needs a constant here"
            )
        return found

    def numbers(self, op: Operation, names: Many[str]) -> list[int]:
        """Numbers given as operands, in this order, or as attributes."""
        if op.operands:
            if len(op.operands) != len(names):
                raise self.scope.error(op, f"{op.name} takes {', '.join(names)}: {len(op.operands)} operands are given")
            return [self.integer(op, value) for value in op.operands]
        missing = [name for name in names if name not in op.attributes]
        if missing:
            raise self.scope.error(op, f"{op.name} needs `{missing[0]}`")
        return [syntax.integer(op, name) for name in names]

    def channel(self, op: Operation, reference: Attribute | None, what: str) -> Channel:
        """The shim channel that @symbol stands for: a shim_dma_allocation, or the shim end of a fifo."""
        if isinstance(reference, SymbolRefAttr):
            name = reference.root_reference.data
            fifo = self.fifos.get(name) or self.fifos.get(name.removesuffix("_shim_alloc"))
            if fifo is not None:
                return self._end(op, fifo)
        name = self.scope.symbol(op, reference, what)
        found = self.scope.symbols[name]
        if not isinstance(found, ShimDMAAllocationOp):
            raise self.scope.error(op, f"@{name} is neither an aie.objectfifo nor an aie.shim_dma_allocation")
        return self.scope.tile(found, found.tile), found.channel_dir.direction, found.channel_index.value.data

    def _end(self, op: Operation, fifo: Fifo) -> Channel:
        ends: list[Channel] = [
            (end.tile, direction, end.channel)
            for end, direction in fifo.ends
            if hardware.kind(end.tile) == "shim" and end.channel is not None
        ]
        if len(ends) != 1:
            raise self.scope.error(op, f"@{fifo.name} has {len(ends)} ends on shim tiles: exactly one is needed here")
        return ends[0]

    def repeat(self, op: Operation, count: int) -> int:
        """A repeat count that the queue can hold."""
        if count not in hardware.REPEATS:
            raise self.scope.error(op, f"a repeat of {count}: a channel's queue holds 0 to 255")
        return count

    def configure(self, op: Operation, channel: Channel, bds: tuple[Bd, ...], repeat: int, token: bool) -> int:
        """A new task."""
        task = len(self.tokens)
        self.tokens[task] = token
        self.instructions.append(ConfigureTask(task, channel, bds, repeat, token, self.scope.place(op)))
        return task

    def start(self, op: Operation, task: int) -> None:
        self.instructions.append(StartTask(task, self.scope.place(op)))

    def task(self, op: Operation, value: SSAValue) -> int:
        found = self.tasks.get(value)
        if found is None:
            raise self.scope.error(
                op, f"%{self.scope.name(value)} is no task: configure one with aiex.dma_configure_task"
            )
        return found
