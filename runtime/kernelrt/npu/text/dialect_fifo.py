"""The aie dialect's object fifos: what cores see instead of buffers, locks and DMA channels."""

from typing_extensions import Self
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    StringAttr,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, opt_prop_def, prop_def, var_operand_def
from xdsl.parser import Parser

from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import ObjectFifoType
from kernelrt.npu.text.reader import Reader


@irdl_op_definition
class ObjectFifoOp(IRDLOperation):
    """`depths`: one for all ends, or the producer's and each consumer's. Dimensions are flat: size, stride, ..."""

    name = "aie.objectfifo"
    sym_name = prop_def(StringAttr)
    producer = operand_def(IndexType())
    consumers = var_operand_def(IndexType())
    depths = prop_def(DenseArrayBase)
    element = prop_def(MemRefType)
    to_stream = prop_def(DenseArrayBase)
    from_stream = prop_def(ArrayAttr[DenseArrayBase])
    initial = opt_prop_def(ArrayAttr[DenseIntOrFPElementsAttr])

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        properties: dict[str, Attribute] = {"sym_name": reader.parse_symbol_name()}
        with reader.in_parens():
            producer = reader.value()
            properties["to_stream"] = _transform(reader, "dimensionsToStream")
            reader.parse_punctuation(",")
            consumers = reader.parse_comma_separated_list(
                reader.Delimiter.BRACES, lambda: (reader.value(), _transform(reader, "dimensionsFromStream"))
            )
            properties["from_stream"] = ArrayAttr([dims for _, dims in consumers])
            reader.parse_punctuation(",")
            properties["depths"] = _depths(reader)
        attributes = reader.parse_optional_attr_dict()
        reader.parse_punctuation(":")
        element = properties["element"] = _element(reader)
        if reader.parse_optional_punctuation("->") is not None and _element(reader) != element:
            reader.raise_error("a consumer that sees another type than the producer is not supported")
        if reader.parse_optional_punctuation("=") is not None:
            properties["initial"] = ArrayAttr(
                reader.parse_comma_separated_list(reader.Delimiter.SQUARE, lambda: syntax.dense(reader, element))
            )
        operands = [producer, *(tile for tile, _ in consumers)]
        return syntax.create(cls, operands=operands, properties=properties, attributes=attributes)


def _transform(reader: Reader, keyword: str) -> DenseArrayBase:
    if reader.parse_optional_keyword(keyword) is None:
        return DenseArrayBase.from_list(i64, [])
    return syntax.dimensions(reader)


def _depths(reader: Reader) -> DenseArrayBase:
    """`2 : i32`, `2`, or `[2, 1, 1]`."""

    def depth() -> int:
        value = syntax.literal(reader)
        if reader.parse_optional_punctuation(":") is not None:
            reader.parse_type()
        return value

    found = reader.parse_optional_comma_separated_list(reader.Delimiter.SQUARE, depth)
    return DenseArrayBase.from_list(i64, [depth()] if found is None else found)


def _element(reader: Reader) -> "MemRefType[Attribute]":
    """The memref inside `!aie.objectfifo<memref<...>>`."""
    where = reader.pos
    type = reader.parse_type()
    element = syntax.as_memref(type.element) if isinstance(type, ObjectFifoType) else None
    if element is None:
        reader.raise_error("a type !aie.objectfifo<memref<...>> is expected here", where)
    if any(size < 0 for size in element.get_shape()):
        reader.raise_error("the sizes of this memref must be numbers", where)
    return element


@irdl_op_definition
class ObjectFifoAllocateOp(IRDLOperation):
    name = "aie.objectfifo.allocate"
    fifo = prop_def(SymbolRefAttr)
    tile = operand_def(IndexType())
    assembly_format = "$fifo `(` $tile `)` attr-dict"


@irdl_op_definition
class ObjectFifoLinkOp(IRDLOperation):
    name = "aie.objectfifo.link"
    sources = prop_def(ArrayAttr[SymbolRefAttr])
    targets = prop_def(ArrayAttr[SymbolRefAttr])
    source_offsets = prop_def(ArrayAttr[IntegerAttr])
    target_offsets = prop_def(ArrayAttr[IntegerAttr])
    assembly_format = "$sources `->` $targets `(` $source_offsets $target_offsets `)` attr-dict"
