"""Attributes and types of the aie dialect."""

from collections.abc import Sequence

from typing_extensions import Self
from xdsl.dialects.builtin import DenseArrayBase, IntAttr, i64
from xdsl.ir import Attribute, Data, OpaqueSyntaxAttribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from kernelrt.npu.hardware import Direction


def numbers(parser: AttrParser, names: Sequence[str]) -> tuple[int, ...]:
    """`<a = 1, b = 2>`, each name once, in any order; the values in the order of `names`."""
    found: dict[str, int] = {}

    def entry() -> None:
        where = parser.pos
        name = parser.parse_identifier()
        if name not in names or name in found:
            parser.raise_error(f"`{name}`: expected each of {', '.join(names)} once", where)
        parser.parse_punctuation("=")
        found[name] = parser.parse_integer(allow_boolean=False, allow_negative=False)
        if found[name] >= 2**32:
            parser.raise_error(f"{found[name]} does not fit into 32 bits", where)

    parser.parse_comma_separated_list(parser.Delimiter.ANGLE, entry)
    if missing := [name for name in names if name not in found]:
        parser.raise_error(f"{', '.join(missing)} missing here")
    return tuple(found[name] for name in names)


def pairs(parser: AttrParser, names: tuple[str, str]) -> DenseArrayBase:
    """`[<a = 1, b = 2>, <a = 3, b = 4>]`, flat."""
    found = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: numbers(parser, names))
    return DenseArrayBase.from_list(i64, [value for pair in found for value in pair])


PADS = ("const_pad_before", "const_pad_after")


@irdl_attr_definition
class PacketInfo(ParametrizedAttribute):
    """`#aie.packet_info<pkt_type = 0, pkt_id = 1>`."""

    name = "aie.packet_info"
    type_: IntAttr
    id: IntAttr

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        kind, id = numbers(parser, ("pkt_type", "pkt_id"))
        return IntAttr(kind), IntAttr(id)

    @classmethod
    def read(cls, parser: AttrParser) -> "PacketInfo":
        """The bare form, `<pkt_type = 0, pkt_id = 1>`."""
        kind, id = numbers(parser, ("pkt_type", "pkt_id"))
        return PacketInfo(IntAttr(kind), IntAttr(id))


@irdl_attr_definition
class ObjectFifoType(ParametrizedAttribute, TypeAttribute):
    """`!aie.objectfifo<memref<16xi32>>`."""

    name = "aie.objectfifo"
    element: Attribute


@irdl_attr_definition
class ObjectFifoSubviewType(ParametrizedAttribute, TypeAttribute):
    """`!aie.objectfifosubview<memref<16xi32>>`."""

    name = "aie.objectfifosubview"
    element: Attribute


@irdl_attr_definition
class PadLayouts(ParametrizedAttribute, OpaqueSyntaxAttribute):
    """`#aie<bd_pad_layout_array[<const_pad_before = 2, const_pad_after = 1>]>`, flat: before, after, before, ..."""

    name = "aie.bd_pad_layout_array"
    values: DenseArrayBase

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        return [pairs(parser, PADS)]


class Keyword(Data[str]):
    """One word of a set, written bare or quoted, as mlir-aie's enumerations are."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> str:
        where = parser.pos
        found = parser.parse_identifier_or_str_literal()
        if found not in cls.words:
            parser.raise_error(f"`{found}`: expected one of {', '.join(cls.words)}", where)
        return found

    def print_parameter(self, printer: Printer) -> None:
        printer.print_string(self.data)

    @classmethod
    def parse(cls, parser: AttrParser) -> Self:
        return cls(cls.parse_parameter(parser))


@irdl_attr_definition
class ChannelDirection(Keyword):
    name = "aie.dma_channel_dir"
    words = ("S2MM", "MM2S")

    @property
    def direction(self) -> Direction:
        """As a design has it."""
        return "MM2S" if self.data == "MM2S" else "S2MM"


@irdl_attr_definition
class WireBundle(Keyword):
    name = "aie.wire_bundle"
    words = ("Core", "DMA", "FIFO", "South", "West", "North", "East", "PLIO", "NOC", "Trace", "TileControl", "Ctrl")


@irdl_attr_definition
class CascadeDirection(Keyword):
    name = "aie.cascade_dir"
    words = ("South", "West", "North", "East")


@irdl_attr_definition
class LockAction(Keyword):
    name = "aie.lock_action"
    words = ("Acquire", "AcquireGreaterEqual", "Release")
