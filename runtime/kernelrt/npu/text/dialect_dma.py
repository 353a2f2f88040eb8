"""The aie dialect's DMA programs: channels, buffer descriptors, and the locks around them."""

from typing_extensions import Self
from xdsl.dialects.builtin import (
    I32,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    MemRefType,
    i1,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    region_def,
    successor_def,
    traits_def,
    var_operand_def,
    var_region_def,
)
from xdsl.parser import Parser
from xdsl.traits import IsTerminator, NoTerminator

from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import ChannelDirection, LockAction
from kernelrt.npu.text.reader import Reader


class DmaProgram(IRDLOperation):
    """What the three kinds of tile have in common: a tile, and a region that starts channels."""

    tile = operand_def(IndexType())
    body = region_def()
    result = opt_result_def(IndexType())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        with parser.in_parens():
            tile = syntax.reader(parser).value()
        region = parser.parse_region()
        attributes = parser.parse_optional_attr_dict()
        return syntax.create(cls, operands=[tile], regions=[region], attributes=attributes, result_types=[IndexType()])


@irdl_op_definition
class MemOp(DmaProgram):
    name = "aie.mem"


@irdl_op_definition
class MemTileDMAOp(DmaProgram):
    name = "aie.memtile_dma"


@irdl_op_definition
class ShimDMAOp(DmaProgram):
    name = "aie.shim_dma"


@irdl_op_definition
class DMAStartOp(IRDLOperation):
    name = "aie.dma_start"
    channel_dir = prop_def(ChannelDirection)
    channel_index = prop_def(IntegerAttr[I32])
    repeat_count = opt_prop_def(IntegerAttr[I32])
    dest = successor_def()
    chain = successor_def()
    valid = opt_result_def(i1)
    traits = traits_def(IsTerminator())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        with parser.in_parens():
            direction, index = syntax.channel(parser)
            parser.parse_punctuation(",")
            dest = parser.parse_successor()
            parser.parse_punctuation(",")
            chain = parser.parse_successor()
            properties: dict[str, Attribute] = {"channel_dir": direction, "channel_index": IntegerAttr(index, 32)}
            if parser.parse_optional_punctuation(",") is not None:
                parser.parse_keyword("repeat_count")
                parser.parse_punctuation("=")
                properties["repeat_count"] = IntegerAttr(syntax.literal(parser), 32)
        attributes = parser.parse_optional_attr_dict()
        return syntax.create(
            cls, properties=properties, attributes=attributes, successors=[dest, chain], result_types=[i1]
        )


@irdl_op_definition
class DMAOp(IRDLOperation):
    """`aie.dma(S2MM, 0) {loop = false} [{ one BD }, { the next }]`."""

    name = "aie.dma"
    channel_dir = prop_def(ChannelDirection)
    channel_index = prop_def(IntegerAttr[I32])
    bds = var_region_def()
    traits = traits_def(NoTerminator())
    valid = opt_result_def(i1)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        with parser.in_parens():
            direction, index = syntax.channel(parser)
        attributes = parser.parse_optional_attr_dict()
        regions = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_region)
        return syntax.create(
            cls,
            properties={"channel_dir": direction, "channel_index": IntegerAttr(index, 32)},
            attributes=attributes,
            regions=regions,
            result_types=[i1],
        )


@irdl_op_definition
class DMABDOp(IRDLOperation):
    """`offset`, `len`, `sizes` and `strides` hold literals, and DYNAMIC for each of `values`, in this order."""

    name = "aie.dma_bd"
    buffer = operand_def(MemRefType)
    values = var_operand_def()
    offset = opt_prop_def(DenseArrayBase)
    len = opt_prop_def(DenseArrayBase)
    sizes = opt_prop_def(DenseArrayBase)
    strides = opt_prop_def(DenseArrayBase)
    pad_dimensions = opt_prop_def(DenseArrayBase)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        properties: dict[str, Attribute] = {}
        fields: dict[str, list[syntax.Number]] = {}
        with reader.in_parens():
            buffer = reader.parse_unresolved_operand()
            reader.parse_punctuation(":")
            source = reader.resolve_operand(buffer, reader.parse_type())
            if reader.parse_optional_punctuation(",") is not None:
                _positional(reader, fields, properties)
            else:
                _named(reader, fields, properties)
        attributes = reader.parse_optional_attr_dict()
        for name in ("offset", "len"):
            found = attributes.pop(name, None)
            if isinstance(found, IntegerAttr) and name not in fields:
                fields[name] = [found.value.data]
        operands = [value for name in _FIELDS for value in syntax.dynamic(fields.get(name, []))]
        properties |= {name: syntax.static(found) for name, found in fields.items()}
        return syntax.create(cls, operands=[source, *operands], properties=properties, attributes=attributes)


_FIELDS = ("offset", "len", "sizes", "strides")


def _positional(reader: Reader, fields: dict[str, list[syntax.Number]], properties: dict[str, Attribute]) -> None:
    """`offset, len, [<size = 2, stride = 4>], [<const_pad_before = 1, ...>]`, as until 2026."""
    fields["offset"] = [syntax.literal(reader)]
    if reader.parse_optional_punctuation(",") is None:
        return
    fields["len"] = [syntax.literal(reader)]
    if reader.parse_optional_punctuation(",") is None:
        return
    flat = syntax.values_of(syntax.dimensions(reader))
    fields["sizes"], fields["strides"] = list(flat[::2]), list(flat[1::2])
    if reader.parse_optional_punctuation(",") is None:
        return
    properties["pad_dimensions"] = syntax.paddings(reader)
    if reader.parse_optional_punctuation(",") is not None:
        reader.parse_keyword("pad_value")
        reader.parse_punctuation("=")
        if syntax.literal(reader) != 0:
            reader.raise_error("pad_value: the DMA of npu1 pads with zeros alone")


def _named(reader: Reader, fields: dict[str, list[syntax.Number]], properties: dict[str, Attribute]) -> None:
    """`offset = 0 len = %n sizes = [2] strides = [4] pad [...]`, as since 2026."""
    for name in _FIELDS:
        if reader.parse_optional_keyword(name) is not None:
            reader.parse_punctuation("=")
            fields[name] = [syntax.number(reader)] if name in ("offset", "len") else syntax.number_list(reader)
    if reader.parse_optional_keyword("pad") is not None:
        properties["pad_dimensions"] = syntax.paddings(reader)


@irdl_op_definition
class DMABDPacketOp(IRDLOperation):
    name = "aie.dma_bd_packet"
    packet_type = prop_def(IntegerAttr[I32])
    packet_id = prop_def(IntegerAttr[I32])
    assembly_format = "`(` $packet_type `,` $packet_id `)` attr-dict"


@irdl_op_definition
class NextBDOp(IRDLOperation):
    name = "aie.next_bd"
    dest = successor_def()
    traits = traits_def(IsTerminator())
    assembly_format = "$dest attr-dict"


@irdl_op_definition
class UseLockOp(IRDLOperation):
    """The value is `value` or `literal`, 1 where neither is given."""

    name = "aie.use_lock"
    lock = operand_def(IndexType())
    value = opt_operand_def()
    action = prop_def(LockAction)
    literal = opt_prop_def(IntegerAttr)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        properties: dict[str, Attribute] = {}
        value: syntax.Number | None = None
        with reader.in_parens():
            operands = [reader.value()]
            reader.parse_punctuation(",")
            properties["action"] = LockAction.parse(reader)
            while reader.parse_optional_punctuation(",") is not None:
                if reader.parse_optional_keyword_in(("Blocking", "NonBlocking")) is None:
                    value = syntax.number(reader)
        if isinstance(value, int):
            properties["literal"] = IntegerAttr(value, i64)
        elif value is not None:
            operands.append(value)
        return syntax.create(
            cls, operands=operands, properties=properties, attributes=reader.parse_optional_attr_dict()
        )
