"""Tasks of a runtime sequence: dma_memcpy_nd, dma_configure_task(_for), dma_start_bd_chain(_for)."""

from dataclasses import replace
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from kernelrt.npu.bd import Bd, Dim
from kernelrt.npu.text import syntax
from kernelrt.npu.text.dialect_aiex import DmaMemcpyNdOp
from kernelrt.npu.text.dialect_chains import DmaStartBdChainForOp, DmaStartBdChainOp
from kernelrt.npu.text.dialect_dma import NextBDOp
from kernelrt.npu.text.dialect_sequence import BDChainOp
from kernelrt.npu.text.dialect_tasks import DmaConfigureTaskForOp, DmaConfigureTaskOp
from kernelrt.npu.text.iteration import fold
from kernelrt.npu.text.resolve_bd import Inputs, chain, numbers
from kernelrt.npu.text.sequence import Channel, Sequence

_ZEROS = tuple(f"d{dim}_zero_{side}" for dim in range(3) for side in ("before", "after"))


def memcpy(sequence: Sequence, op: DmaMemcpyNdOp) -> None:
    """One BD of up to three dimensions, repeated by the fourth, started at once."""
    scope = sequence.scope
    for name in ("offset_parameter", *_ZEROS):
        if syntax.integer(op, name) or (name == "offset_parameter" and name in op.attributes):
            raise scope.error(op, f"dma_memcpy_nd: `{name}` is not supported by a shim tile of npu1")
    view = sequence.views.get(op.memref)
    if view is None:
        raise scope.error(op, f"%{scope.name(op.memref)} is no argument of this runtime sequence, nor a view of one")
    name, _, base = view
    if "metadata" not in op.attributes:
        raise scope.error(op, "dma_memcpy_nd needs `metadata = @fifo`, the fifo or shim_dma_allocation it serves")
    tile, direction, index = sequence.channel(op, op.attributes["metadata"], "metadata")
    lists = [syntax.values_of(op.properties[name]) for name in ("offsets", "sizes", "strides")]
    inputs = Inputs(sequence.views, {}, sequence.known)
    offsets, sizes, strides = numbers(scope, op, lists, op.operands[1:], inputs)
    if any(size < 1 for size in sizes):
        raise scope.error(op, f"sizes {list(sizes)}: each is at least 1")
    dims = tuple(Dim(size, stride) for size, stride in zip(sizes, strides, strict=True))
    offset = base + sum(start * stride for start, stride in zip(offsets, strides, strict=True))
    packet = op.packet.id.data if op.packet is not None else None
    bd = Bd(
        name,
        offset,
        prod(sizes[1:]),
        _inner(dims[1:]),
        (),
        None,
        None,
        packet,
        syntax.optional_integer(op, "id"),
        None,
        scope.place(op),
    )
    bds, repeat = fold([(bd, dims[0])], sizes[0] - 1)
    token = direction == "S2MM" or syntax.flag(op, "issue_token")
    sequence.start(op, sequence.configure(op, (tile, direction, index), bds, repeat, token))


def _inner(dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """Without outer dimensions of one step, none where the rest is one contiguous run."""
    while dims and dims[0].size == 1:
        dims = dims[1:]
    return () if len(dims) == 1 and dims[0].stride == 1 else dims


def configure(sequence: Sequence, op: DmaConfigureTaskOp | DmaConfigureTaskForOp) -> None:
    """A task that is started later."""
    repeats = op.repeat
    repeat = sequence.integer(op, repeats[0]) if repeats else syntax.integer(op, "repeat_count")
    if isinstance(op, DmaConfigureTaskOp):
        channel = (sequence.scope.tile(op, op.tile), op.direction.direction, op.channel.value.data)
        packet = op.packet.id.data if op.packet is not None else None
    else:
        channel, packet = sequence.channel(op, op.alloc, "alloc"), None
    if not op.body.blocks:
        raise sequence.scope.error(op, "this task has no BD: give its region an aie.dma_bd")
    task = _task(sequence, op, channel, op.body.blocks[0], {}, repeat, packet)
    sequence.tasks[op.results[0]] = task


def start_chain(sequence: Sequence, op: DmaStartBdChainOp | DmaStartBdChainForOp) -> None:
    """An aie.bd_chain with arguments, started at once."""
    scope = sequence.scope
    name = scope.symbol(op, op.symbol, "symbol")
    found = scope.symbols[name]
    if not isinstance(found, BDChainOp):
        raise scope.error(op, f"@{name} is no aie.bd_chain")
    first = found.body.blocks[0]
    if [value.type for value in op.arguments] != [value.type for value in first.args]:
        wanted = ", ".join(str(value.type) for value in first.args)
        raise scope.error(op, f"the arguments of @{name} are ({wanted}): other ones are given")
    if isinstance(op, DmaStartBdChainOp):
        channel = (scope.tile(op, op.tile), op.direction.direction, op.channel.value.data)
    else:
        channel = sequence.channel(op, op.alloc, "alloc")
    bound: dict[SSAValue, SSAValue] = dict(zip(first.args, op.arguments, strict=True))
    task = _task(sequence, op, channel, first, bound, syntax.integer(op, "repeat_count"), None)
    sequence.tasks[op.results[0]] = task
    sequence.start(op, task)


def _task(
    sequence: Sequence,
    op: Operation,
    channel: Channel,
    first: Block,
    bound: dict[SSAValue, SSAValue],
    repeat: int,
    packet: int | None,
) -> int:
    inputs = Inputs(sequence.views, bound, sequence.known)
    bds = chain(sequence.scope, _begin(first), inputs)
    stepped = [_stepped(sequence, op, replace(bd, packet=packet) if bd.packet is None else bd) for bd in bds]
    folded, repeat = fold(stepped, sequence.repeat(op, repeat))
    return sequence.configure(op, channel, folded, repeat, syntax.flag(op, "issue_token"))


def _begin(first: Block) -> Block:
    """The first block with a BD: an entry block may go on to it at once."""
    last = first.last_op
    return last.successors[0] if isinstance(last, NextBDOp) and len(first.ops) == 1 else first


def _stepped(sequence: Sequence, op: Operation, bd: Bd) -> tuple[Bd, Dim | None]:
    """A task's BD and its iteration: the outermost of four dimensions, which `len` does not count."""
    if len(bd.dims) < 4:
        return bd, None
    outer, *inner = bd.dims
    moved = prod(dim.size for dim in inner)
    if moved != bd.length:
        problem = (
            f"len = {bd.length}, but the three inner dimensions move {moved} elements: the fourth is repeat_count's"
        )
        raise sequence.scope.parsed.source.error(bd.where, problem)
    return replace(bd, dims=_inner(tuple(inner))), outer
