"""The aiex dialect's uses of aie.bd_chain."""

from typing_extensions import Self
from xdsl.dialects.builtin import IndexType, IntegerAttr, StringAttr, SymbolRefAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, prop_def, result_def, var_operand_def
from xdsl.parser import Parser

from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import ChannelDirection
from kernelrt.npu.text.reader import Reader


def _call(reader: Reader) -> tuple[StringAttr, list[SSAValue]]:
    """`@chain(%a, %b) : (type, type)`."""
    symbol = reader.parse_symbol_name()
    arguments = reader.parse_comma_separated_list(reader.Delimiter.PAREN, reader.value)
    reader.parse_punctuation(":")
    reader.parse_comma_separated_list(reader.Delimiter.PAREN, reader.parse_type)
    return symbol, arguments


@irdl_op_definition
class DmaStartBdChainOp(IRDLOperation):
    """`@chain(%a) : (type) on (%tile, MM2S, 0) {...}`."""

    name = "aiex.dma_start_bd_chain"
    symbol = prop_def(SymbolRefAttr)
    tile = operand_def(IndexType())
    arguments = var_operand_def()
    direction = prop_def(ChannelDirection)
    channel = prop_def(IntegerAttr)
    result = result_def(IndexType())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        symbol, arguments = _call(reader)
        reader.parse_keyword("on")
        with reader.in_parens():
            tile = reader.value()
            reader.parse_punctuation(",")
            direction, channel = syntax.channel(reader)
        return syntax.create(
            cls,
            operands=[tile, *arguments],
            properties={
                "symbol": SymbolRefAttr(symbol),
                "direction": direction,
                "channel": IntegerAttr(channel, i64),
            },
            attributes=reader.parse_optional_attr_dict(),
            result_types=[IndexType()],
        )


@irdl_op_definition
class DmaStartBdChainForOp(IRDLOperation):
    """`@chain(%a) : (type) for @allocation {...}`."""

    name = "aiex.dma_start_bd_chain_for"
    symbol = prop_def(SymbolRefAttr)
    arguments = var_operand_def()
    alloc = prop_def(SymbolRefAttr)
    result = result_def(IndexType())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        symbol, arguments = _call(reader)
        reader.parse_keyword("for")
        alloc = reader.parse_symbol_name()
        return syntax.create(
            cls,
            operands=arguments,
            properties={"symbol": SymbolRefAttr(symbol), "alloc": SymbolRefAttr(alloc)},
            attributes=reader.parse_optional_attr_dict(),
            result_types=[IndexType()],
        )
