"""The aiex dialect: what a runtime sequence does. Both spellings of its numbers are read: attributes, as until 2026,
and SSA operands, as since."""

from typing_extensions import Self
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
    MemRefType,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
)
from xdsl.parser import Parser

from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import ChannelDirection, PacketInfo
from kernelrt.npu.text.reader import Reader


class RegisterOp(IRDLOperation):
    """Numbers in the attribute dictionary, or as operands in parentheses."""

    values = var_operand_def()

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        operands = reader.parse_optional_comma_separated_list(reader.Delimiter.PAREN, lambda: typed(reader)) or []
        attributes = reader.parse_optional_attr_dict()
        _types(reader)
        return syntax.create(cls, operands=operands, attributes=attributes)


def typed(reader: Reader) -> "syntax.SSAValue":
    """`%value`, or `%value : type`."""
    value = reader.value()
    if reader.parse_optional_punctuation(":") is not None:
        reader.parse_type()
    return value


def _types(reader: Reader) -> None:
    """`: i32, i32`: the types of the operands, which are known already."""
    if reader.parse_optional_punctuation(":") is not None:
        reader.parse_comma_separated_list(reader.Delimiter.NONE, reader.parse_type)


@irdl_op_definition
class SyncOp(RegisterOp):
    name = "aiex.npu.sync"


@irdl_op_definition
class Write32Op(RegisterOp):
    name = "aiex.npu.write32"


@irdl_op_definition
class MaskWrite32Op(RegisterOp):
    name = "aiex.npu.maskwrite32"


@irdl_op_definition
class BlockWriteOp(RegisterOp):
    name = "aiex.npu.blockwrite"


@irdl_op_definition
class AddressPatchOp(RegisterOp):
    name = "aiex.npu.address_patch"


@irdl_op_definition
class WriteBdOp(RegisterOp):
    name = "aiex.npu.writebd"


@irdl_op_definition
class DmaWaitOp(RegisterOp):
    name = "aiex.npu.dma_wait"


@irdl_op_definition
class PreemptOp(RegisterOp):
    name = "aiex.npu.preempt"


@irdl_op_definition
class PushQueueOp(IRDLOperation):
    """`(column, row, direction : channel) {...}`, or `(...) bd_id %id repeat %n {...} : i32, i32`."""

    name = "aiex.npu.push_queue"
    values = var_operand_def()
    column = prop_def(IntegerAttr)
    row = prop_def(IntegerAttr)
    direction = prop_def(ChannelDirection)
    channel = prop_def(IntegerAttr)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        properties: dict[str, Attribute] = {}
        with reader.in_parens():
            for name in ("column", "row"):
                properties[name] = IntegerAttr(syntax.literal(reader), i64)
                reader.parse_punctuation(",")
            direction, channel = syntax.channel(reader, ":")
            properties |= {"direction": direction, "channel": IntegerAttr(channel, i64)}
        operands: list[syntax.SSAValue] = []
        if reader.parse_optional_keyword("bd_id") is not None:
            operands.append(reader.value())
            reader.parse_keyword("repeat")
            operands.append(reader.value())
        attributes = reader.parse_optional_attr_dict()
        _types(reader)
        return syntax.create(cls, operands=operands, properties=properties, attributes=attributes)


@irdl_op_definition
class RtpWriteOp(IRDLOperation):
    name = "aiex.npu.rtp_write"
    values = var_operand_def()
    buffer = prop_def(SymbolRefAttr)
    index = prop_def(IntegerAttr)
    value = prop_def(DenseArrayBase)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        with reader.in_parens():
            buffer = SymbolRefAttr(reader.parse_symbol_name())
            reader.parse_punctuation(",")
            index = IntegerAttr(syntax.literal(reader), i64)
            reader.parse_punctuation(",")
            value = [syntax.number(reader)]
        attributes = reader.parse_optional_attr_dict()
        _types(reader)
        properties: dict[str, Attribute] = {"buffer": buffer, "index": index, "value": syntax.static(value)}
        return syntax.create(cls, operands=syntax.dynamic(value), properties=properties, attributes=attributes)


@irdl_op_definition
class DmaMemcpyNdOp(IRDLOperation):
    """`offsets`, `sizes` and `strides` hold four numbers each, DYNAMIC for each of `values`, in this order."""

    name = "aiex.npu.dma_memcpy_nd"
    memref = operand_def(MemRefType)
    values = var_operand_def()
    offsets = prop_def(DenseArrayBase)
    sizes = prop_def(DenseArrayBase)
    strides = prop_def(DenseArrayBase)
    packet = opt_prop_def(PacketInfo)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        properties: dict[str, Attribute] = {}
        values: list[syntax.Number] = []
        with reader.in_parens():
            memref = reader.value()
            for name in ("offsets", "sizes", "strides"):
                where = reader.pos
                found = syntax.number_list(reader)
                if len(found) != 4:
                    reader.raise_error(f"{len(found)} {name}: dma_memcpy_nd takes 4, outermost first", where)
                values += found
                properties[name] = syntax.static(found)
            if reader.parse_optional_punctuation(",") is not None:
                reader.parse_keyword("packet")
                reader.parse_punctuation("=")
                properties["packet"] = PacketInfo.read(reader)
        attributes = reader.parse_optional_attr_dict()
        reader.parse_punctuation(":")
        where, type = reader.pos, reader.parse_type()
        if type != memref.type:
            reader.raise_error(f"the operand's type is {memref.type}, not {type}", where)
        operands = [memref, *syntax.dynamic(values)]
        return syntax.create(cls, operands=operands, properties=properties, attributes=attributes)
