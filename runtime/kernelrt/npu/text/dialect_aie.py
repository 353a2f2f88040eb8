"""The aie dialect: device, tiles, memories, streams and cores, as IRDL definitions. Core bodies stay text."""

import re

from typing_extensions import Self
from xdsl.dialects.builtin import (
    I32,
    I64,
    ArrayAttr,
    DenseIntOrFPElementsAttr,
    IndexType,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
)
from xdsl.ir import Attribute, Region
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.traits import IsTerminator, NoTerminator

from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import CascadeDirection, ChannelDirection, PacketInfo, WireBundle

_NAME = re.compile(r"%([\w$.-]+)")


@irdl_op_definition
class DeviceOp(IRDLOperation):
    name = "aie.device"
    device = prop_def(StringAttr)
    sym_name = opt_prop_def(StringAttr)
    body = region_def()
    traits = traits_def(NoTerminator())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        with parser.in_parens():
            device = parser.parse_identifier()
        properties: dict[str, Attribute] = {"device": StringAttr(device)}
        if (symbol := parser.parse_optional_symbol_name()) is not None:
            properties["sym_name"] = symbol
        region = parser.parse_region()
        return syntax.create(cls, properties=properties, regions=[region], attributes=parser.parse_optional_attr_dict())


@irdl_op_definition
class TileOp(IRDLOperation):
    name = "aie.tile"
    col = prop_def(IntegerAttr[I32])
    row = prop_def(IntegerAttr[I32])
    result = result_def(IndexType())
    assembly_format = "`(` $col `,` $row `)` attr-dict"


@irdl_op_definition
class EndOp(IRDLOperation):
    name = "aie.end"
    traits = traits_def(IsTerminator())
    assembly_format = "attr-dict"


@irdl_op_definition
class BufferOp(IRDLOperation):
    name = "aie.buffer"
    tile = operand_def(IndexType())
    initial_value = opt_prop_def(DenseIntOrFPElementsAttr)
    buffer = result_def(MemRefType)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        with reader.in_parens():
            tile = reader.value()
        attributes = reader.parse_optional_attr_dict()
        reader.parse_punctuation(":")
        type = syntax.memref(reader)
        properties: dict[str, Attribute] = {}
        if reader.parse_optional_punctuation("=") is not None:
            properties["initial_value"] = syntax.dense(reader, type)
        return syntax.create(cls, operands=[tile], properties=properties, attributes=attributes, result_types=[type])


@irdl_op_definition
class ExternalBufferOp(IRDLOperation):
    name = "aie.external_buffer"
    buffer = result_def(MemRefType)
    assembly_format = "attr-dict `:` type($buffer)"


@irdl_op_definition
class LockOp(IRDLOperation):
    name = "aie.lock"
    tile = operand_def(IndexType())
    lockID = opt_prop_def(IntegerAttr[I32])
    result = result_def(IndexType())
    assembly_format = "`(` $tile (`,` $lockID^)? `)` attr-dict"


@irdl_op_definition
class CoreOp(IRDLOperation):
    """`text` is the body, which begins at `offset`; `captures` are the values from outside that it names."""

    name = "aie.core"
    tile = operand_def(IndexType())
    captures = var_operand_def()
    captured = prop_def(ArrayAttr[StringAttr])
    text = prop_def(StringAttr)
    offset = prop_def(IntAttr)
    result = opt_result_def(IndexType())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        reader = syntax.reader(parser)
        with reader.in_parens():
            tile = reader.value()
        body = reader.verbatim()
        plain = reader.source.plain[body.offset : body.offset + len(body.text)]
        visible = reader.visible(sorted({match.group(1) for match in _NAME.finditer(plain)}))
        return syntax.create(
            cls,
            operands=[tile, *visible.values()],
            properties={
                "captured": ArrayAttr([StringAttr(name) for name in visible]),
                "text": StringAttr(body.text),
                "offset": IntAttr(body.offset),
            },
            attributes=reader.parse_optional_attr_dict(),
            result_types=[IndexType()],
        )


@irdl_op_definition
class FlowOp(IRDLOperation):
    name = "aie.flow"
    source = operand_def(IndexType())
    source_bundle = prop_def(WireBundle)
    source_channel = prop_def(IntegerAttr[I32])
    dest = operand_def(IndexType())
    dest_bundle = prop_def(WireBundle)
    dest_channel = prop_def(IntegerAttr[I32])
    assembly_format = (
        "`(` $source `,` $source_bundle `:` $source_channel `,` $dest `,` $dest_bundle `:` $dest_channel `)` attr-dict"
    )


@irdl_op_definition
class PacketFlowOp(IRDLOperation):
    name = "aie.packet_flow"
    ID = prop_def(IntegerAttr)
    ports = region_def()
    traits = traits_def(NoTerminator())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        with parser.in_parens():
            id = syntax.literal(parser)
        if parser.parse_optional_punctuation(":") is not None:
            parser.parse_type()
        region: Region = parser.parse_region()
        return syntax.create(
            cls, properties={"ID": IntegerAttr(id, 64)}, regions=[region], attributes=parser.parse_optional_attr_dict()
        )


@irdl_op_definition
class PacketSourceOp(IRDLOperation):
    name = "aie.packet_source"
    tile = operand_def(IndexType())
    bundle = prop_def(WireBundle)
    channel = prop_def(IntegerAttr[I32])
    assembly_format = "`<` $tile `,` $bundle `:` $channel `>` attr-dict"


@irdl_op_definition
class PacketDestOp(IRDLOperation):
    name = "aie.packet_dest"
    tile = operand_def(IndexType())
    bundle = prop_def(WireBundle)
    channel = prop_def(IntegerAttr[I32])
    assembly_format = "`<` $tile `,` $bundle `:` $channel `>` attr-dict"


@irdl_op_definition
class CascadeFlowOp(IRDLOperation):
    name = "aie.cascade_flow"
    source_tile = operand_def(IndexType())
    dest_tile = operand_def(IndexType())
    assembly_format = "`(` $source_tile `,` $dest_tile `)` attr-dict"


@irdl_op_definition
class ConfigureCascadeOp(IRDLOperation):
    name = "aie.configure_cascade"
    tile = operand_def(IndexType())
    inputDir = prop_def(CascadeDirection)
    outputDir = prop_def(CascadeDirection)
    assembly_format = "`(` $tile `,` $inputDir `,` $outputDir `)` attr-dict"


@irdl_op_definition
class ShimDMAAllocationOp(IRDLOperation):
    name = "aie.shim_dma_allocation"
    sym_name = prop_def(SymbolNameConstraint())
    tile = operand_def(IndexType())
    channel_dir = prop_def(ChannelDirection)
    channel_index = prop_def(IntegerAttr[I64])
    packet = opt_prop_def(PacketInfo)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name `(` $tile `,` $channel_dir `,` $channel_index (`,` $packet^)? `)` attr-dict"
