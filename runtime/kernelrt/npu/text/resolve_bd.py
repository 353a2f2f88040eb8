"""Buffer descriptors: a block with a dma_bd and the locks around it, and chains of such blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Block, Operation, SSAValue

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd, Dim, LockUse
from kernelrt.npu.memref import Memref
from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import PacketInfo
from kernelrt.npu.text.constants import Known, constant
from kernelrt.npu.text.dialect_aie import BufferOp, EndOp, LockOp
from kernelrt.npu.text.dialect_dma import DMABDOp, DMABDPacketOp, NextBDOp, UseLockOp
from kernelrt.npu.text.scope import Scope


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the values in a chain stand for: `arguments` are a runtime sequence's, or views of them at an offset in
    elements, `bound` the actual values of an aie.bd_chain's arguments, `known` integers."""

    arguments: Mapping[SSAValue, tuple[str, Memref, int]]
    bound: Mapping[SSAValue, SSAValue]
    known: Known

    def actual(self, value: SSAValue) -> SSAValue:
        return self.bound.get(value, value)


STATIC = Inputs({}, {}, {})


def chain(scope: Scope, first: Block, inputs: Inputs) -> tuple[Bd, ...]:
    """The BDs from `first` on, each with the index of the one behind it."""
    blocks: list[Block] = []
    block: Block | None = first
    while block is not None and block not in blocks:
        blocks.append(block)
        block = _following(block)
    found: list[Bd] = []
    for number, block in enumerate(blocks):
        behind = _following(block)
        bd = _bd(scope, block, inputs)
        found.append(replace(bd, next=None if behind is None else blocks.index(behind)))
        if behind is not None and number + 1 < len(blocks) and blocks[number + 1] is not behind:
            raise AssertionError("blocks are collected in the order of their chain")
    return tuple(found)


def _following(block: Block) -> Block | None:
    """The block that next_bd goes on with, None where the chain ends."""
    last = block.last_op
    if not isinstance(last, NextBDOp):
        return None
    behind = last.successors[0]
    return None if len(behind.ops) == 1 and isinstance(behind.first_op, EndOp) else behind


def _bd(scope: Scope, block: Block, inputs: Inputs) -> Bd:
    uses: dict[str, LockUse] = {}
    bds: list[DMABDOp] = []
    packet: int | None = None
    ends = (NextBDOp, EndOp)
    for op in block.ops:
        if isinstance(op, UseLockOp):
            use = lock_use(scope, op, inputs)
            side = "release" if use.action == "release" else "acquire"
            if side in uses:
                raise scope.error(op, f"a second {side} in one BD: hardware has one acquire and one release a BD")
            if side == "acquire" and bds:
                raise scope.error(op, "this acquire stands behind the dma_bd: a BD acquires before it moves data")
            if side == "release" and not bds:
                raise scope.error(op, "this release stands before the dma_bd: a BD releases after it has moved data")
            uses[side] = use
        elif isinstance(op, DMABDOp):
            bds.append(op)
        elif isinstance(op, DMABDPacketOp):
            packet = _packet(scope, op, syntax.integer(op, "packet_type"), syntax.integer(op, "packet_id"))
        elif not isinstance(op, ends) and not isinstance(op, arith.ConstantOp | BufferOp | LockOp):
            raise scope.error(op, f"{op.name} cannot stand in a BD: expected use_lock, dma_bd and next_bd")
    if len(bds) != 1:
        where: Operation | None = bds[1] if bds else block.first_op or block.parent_op()
        assert where is not None
        raise scope.error(where, f"{len(bds)} aie.dma_bd in this block: a BD has exactly one")
    own = bds[0].attributes.get("packet")
    if isinstance(own, PacketInfo):
        packet = _packet(scope, bds[0], own.type_.data, own.id.data)
    return replace(
        _transfer(scope, bds[0], inputs), acquire=uses.get("acquire"), release=uses.get("release"), packet=packet
    )


def _packet(scope: Scope, op: Operation, kind: int, id: int) -> int:
    if kind not in hardware.PACKET_TYPES:
        raise scope.error(op, f"packet type {kind}: three bits hold 0 to 7")
    return id


def lock_use(scope: Scope, op: UseLockOp, inputs: Inputs) -> LockUse:
    """What a use_lock does."""
    lock = scope.lock(op, inputs.actual(op.operands[0]))
    value: int | None = 1
    if len(op.operands) > 1:
        value = constant(inputs.actual(op.operands[1]), inputs.known)
        if value is None:
            raise scope.error(op, "the value of this use_lock must be a constant here")
    elif isinstance(op.literal, IntegerAttr):
        value = op.literal.value.data
    action = op.action.data
    return LockUse(lock.name, {"Acquire": "eq", "AcquireGreaterEqual": "ge"}.get(action, "release"), value)  # pyright: ignore[reportArgumentType]  # the three actions


def numbers(
    scope: Scope, op: Operation, lists: Sequence[tuple[int, ...]], values: Sequence[SSAValue], inputs: Inputs
) -> list[tuple[int, ...]]:
    """Static lists with the constants that `values` are in the places of DYNAMIC."""
    rest = iter(values)

    def known(number: int) -> int:
        if number != syntax.DYNAMIC:
            return number
        value = inputs.actual(next(rest))
        found = constant(value, inputs.known)
        if found is None:
            raise scope.error(op, f"%{scope.name(value)} is known at run time alone: {op.name} needs a constant here")
        return found

    return [tuple(known(number) for number in numbers) for numbers in lists]


def _transfer(scope: Scope, op: DMABDOp, inputs: Inputs) -> Bd:
    """The dma_bd without its locks."""
    for name in ("iteration", "offset_parameter", "next_bd_id"):
        if name in op.attributes:
            raise scope.error(op, f"aie.dma_bd: `{name}` is not supported")
    lists = [syntax.values_of(op.properties.get(name)) for name in ("offset", "len", "sizes", "strides")]
    offset, length, sizes, strides = numbers(scope, op, lists, op.operands[1:], inputs)
    if len(sizes) != len(strides):
        raise scope.error(op, f"{len(sizes)} sizes and {len(strides)} strides: a dimension has one of each")
    if syntax.integer(op, "pad_value"):
        raise scope.error(op, "pad_value: the DMA of npu1 pads with zeros alone")
    buffer, type, base = _buffer(scope, op, inputs)
    return Bd(
        buffer=buffer,
        offset=base + (offset[0] if offset else 0),
        length=length[0] if length else prod(type.shape),
        dims=tuple(Dim(size, stride) for size, stride in zip(sizes, strides, strict=True)),
        pads=syntax.pads_of(op.pad_dimensions),
        acquire=None,
        release=None,
        packet=None,
        id=syntax.optional_integer(op, "bd_id"),
        next=None,
        where=scope.place(op),
    )


def _buffer(scope: Scope, op: DMABDOp, inputs: Inputs) -> tuple[str, Memref, int]:
    value = inputs.actual(op.operands[0])
    if value in inputs.arguments:
        return inputs.arguments[value]
    buffer = scope.buffers.get(value)
    if buffer is None:
        raise scope.error(op, f"%{scope.name(value)} is no aie.buffer and no argument of the runtime sequence")
    return buffer.name, buffer.type, 0
