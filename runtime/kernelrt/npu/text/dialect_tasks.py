"""The aiex dialect's tasks and locks: what a runtime sequence configures, starts and waits for."""

from typing_extensions import Self
from xdsl.dialects.builtin import IndexType, IntegerAttr, SymbolRefAttr, i64
from xdsl.ir import Attribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    var_operand_def,
)
from xdsl.parser import Parser

from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import ChannelDirection, PacketInfo
from kernelrt.npu.text.dialect_aiex import typed
from kernelrt.npu.text.reader import Reader


@irdl_op_definition
class SetLockOp(IRDLOperation):
    name = "aiex.set_lock"
    lock = operand_def(IndexType())
    value = prop_def(IntegerAttr)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        with reader.in_parens():
            lock = reader.value()
            reader.parse_punctuation(",")
            value = IntegerAttr(syntax.literal(reader), i64)
        return syntax.create(
            cls, operands=[lock], properties={"value": value}, attributes=reader.parse_optional_attr_dict()
        )


class TaskOp(IRDLOperation):
    """`(%task)`."""

    task = operand_def(IndexType())
    assembly_format = "`(` $task `)` attr-dict"


@irdl_op_definition
class DmaStartTaskOp(TaskOp):
    name = "aiex.dma_start_task"


@irdl_op_definition
class DmaAwaitTaskOp(TaskOp):
    name = "aiex.dma_await_task"


@irdl_op_definition
class DmaFreeTaskOp(TaskOp):
    name = "aiex.dma_free_task"


@irdl_op_definition
class DmaConfigureTaskOp(IRDLOperation):
    """`(%tile, MM2S, 0[, packet]) [repeat %n : i32] { BDs } {...}`."""

    name = "aiex.dma_configure_task"
    tile = operand_def(IndexType())
    repeat = var_operand_def()
    direction = prop_def(ChannelDirection)
    channel = prop_def(IntegerAttr)
    packet = opt_prop_def(PacketInfo)
    body = region_def()
    result = result_def(IndexType())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        properties: dict[str, Attribute] = {}
        with reader.in_parens():
            operands = [reader.value()]
            reader.parse_punctuation(",")
            direction, channel = syntax.channel(reader)
            properties |= {"direction": direction, "channel": IntegerAttr(channel, i64)}
            if reader.parse_optional_punctuation(",") is not None:
                properties["packet"] = PacketInfo.read(reader)
        operands += _repeat(reader)
        region = reader.parse_region()
        attributes = reader.parse_optional_attr_dict()
        return syntax.create(
            cls,
            operands=operands,
            properties=properties,
            attributes=attributes,
            regions=[region],
            result_types=[IndexType()],
        )


def _repeat(reader: Reader) -> "list[syntax.SSAValue]":
    return [typed(reader)] if reader.parse_optional_keyword("repeat") is not None else []


@irdl_op_definition
class DmaConfigureTaskForOp(IRDLOperation):
    """`@allocation [repeat %n : i32] { BDs } {...}`."""

    name = "aiex.dma_configure_task_for"
    repeat = var_operand_def()
    alloc = prop_def(SymbolRefAttr)
    body = region_def()
    result = result_def(IndexType())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        alloc = SymbolRefAttr(reader.parse_symbol_name())
        operands = _repeat(reader)
        region = reader.parse_region()
        attributes = reader.parse_optional_attr_dict()
        return syntax.create(
            cls,
            operands=operands,
            properties={"alloc": alloc},
            attributes=attributes,
            regions=[region],
            result_types=[IndexType()],
        )
