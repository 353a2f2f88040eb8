"""Operations of other dialects that stand around cores, and whose insides are left as text or kept small."""

from typing_extensions import Self
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntAttr, MemRefType, StringAttr
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, irdl_op_definition, opt_prop_def, prop_def
from xdsl.parser import Parser

from kernelrt.npu.text import syntax


@irdl_op_definition
class FuncOp(IRDLOperation):
    """A function that cores may call: all of it is text, for it may use dialects that only the cores' compiler knows.
    `link_with`: the object file that defines it."""

    name = "func.func"
    sym_name = prop_def(StringAttr)
    link_with = opt_prop_def(StringAttr)
    defined = prop_def(IntAttr)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        reader.parse_optional_keyword_in(("private", "public", "nested"))
        properties: dict[str, Attribute] = {"sym_name": reader.parse_symbol_name(), "defined": IntAttr(0)}
        reader.skip_parenthesised()
        if reader.parse_optional_punctuation("->") is not None and not reader.skip_parenthesised():
            reader.parse_type()
        if (attributes := reader.parse_optional_attr_dict_with_keyword()) is not None:
            link = attributes.data.get("link_with")
            if isinstance(link, StringAttr):
                properties["link_with"] = link
        if reader.at_brace():
            reader.verbatim()
            properties["defined"] = IntAttr(1)
        return syntax.create(cls, properties=properties)


@irdl_op_definition
class GlobalOp(IRDLOperation):
    name = "memref.global"
    sym_name = prop_def(StringAttr)
    type = prop_def(MemRefType)
    initial_value = opt_prop_def(DenseIntOrFPElementsAttr)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        reader.parse_optional_str_literal()
        reader.parse_optional_keyword("constant")
        properties: dict[str, Attribute] = {"sym_name": reader.parse_symbol_name()}
        reader.parse_punctuation(":")
        type = properties["type"] = syntax.memref(reader)
        if (
            reader.parse_optional_punctuation("=") is not None
            and reader.parse_optional_keyword("uninitialized") is None
        ):
            properties["initial_value"] = syntax.dense(reader, type)
        return syntax.create(cls, properties=properties, attributes=reader.parse_optional_attr_dict())
