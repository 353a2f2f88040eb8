"""The aie dialect's programs of the host: runtime sequences, and chains of BDs with arguments."""

from typing_extensions import Self
from xdsl.dialects.builtin import StringAttr, SymbolNameConstraint
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, irdl_op_definition, opt_prop_def, prop_def, region_def, traits_def
from xdsl.parser import Parser
from xdsl.traits import NoTerminator

from kernelrt.npu.text import syntax


@irdl_op_definition
class BDChainOp(IRDLOperation):
    """A chain of BDs with buffers and locks as arguments, for aiex.dma_start_bd_chain."""

    name = "aie.bd_chain"
    sym_name = prop_def(StringAttr)
    body = region_def()

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        symbol = parser.parse_symbol_name()
        arguments = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_argument)
        return syntax.create(cls, properties={"sym_name": symbol}, regions=[parser.parse_region(arguments)])


class SequenceOp(IRDLOperation):
    """`@name(%argument: type, ...) { instructions }`."""

    sym_name = opt_prop_def(SymbolNameConstraint())
    body = region_def()
    traits = traits_def(NoTerminator())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        properties: dict[str, Attribute] = {}
        if (symbol := parser.parse_optional_symbol_name()) is not None:
            properties["sym_name"] = symbol
        arguments = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_argument)
        region = parser.parse_region(arguments)
        return syntax.create(cls, properties=properties, regions=[region], attributes=parser.parse_optional_attr_dict())


@irdl_op_definition
class RuntimeSequenceOp(SequenceOp):
    name = "aie.runtime_sequence"


@irdl_op_definition
class OldRuntimeSequenceOp(SequenceOp):
    """As the operation was spelled before it moved from aiex."""

    name = "aiex.runtime_sequence"
