"""Pieces of mlir-aie's custom syntax that several operations share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Literal, TypeVar, cast

from xdsl.dialects.builtin import (
    AnyFloat,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError

from kernelrt.npu.bd import Dim, Pad
from kernelrt.npu.text.attributes import PADS, ChannelDirection, pairs
from kernelrt.npu.text.reader import Reader

# Stands in a static list for a number that is an SSA value, as in mlir's DynamicIndexList.
DYNAMIC = -(2**63)

Number = int | SSAValue
OpT = TypeVar("OpT", bound=Operation)


def reader(parser: Parser) -> Reader:
    """The parser as what it is: these operations are read by a Reader alone."""
    if not isinstance(parser, Reader):
        raise TypeError("the aie dialect is parsed by kernelrt.npu.text.reader.Reader")
    return parser


def create(
    kind: type[OpT],
    *,
    operands: Sequence[SSAValue] = (),
    result_types: Sequence[Attribute] = (),
    properties: "Mapping[str, Attribute] | None" = None,
    attributes: "Mapping[str, Attribute] | None" = None,
    successors: Sequence[Block] = (),
    regions: Sequence[Region] = (),
) -> OpT:
    """An operation from its parts."""
    make = cast("Callable[..., OpT]", kind.create)  # pyright: ignore[reportUnknownMemberType]  # typing.Self is newer than 3.10
    return make(
        operands=operands,
        result_types=result_types,
        properties=properties or {},
        attributes=attributes or {},
        successors=successors,
        regions=regions,
    )


def literal(parser: Parser) -> int:
    """An integer literal of 64 bits; DYNAMIC is none."""
    where = parser.pos
    value = parser.parse_integer(allow_boolean=False)
    if not -(2**63) < value < 2**63:
        parser.raise_error(f"{value} does not fit into 64 bits", where)
    return value


def channel(parser: Parser, behind: Literal[",", ":"] = ",") -> tuple[ChannelDirection, int]:
    """`MM2S, 0`: a DMA channel."""
    direction = ChannelDirection.parse(parser)
    parser.parse_punctuation(behind)
    return direction, literal(parser)


def number(parser: Reader) -> Number:
    """An integer literal or an SSA value."""
    value = parser.optional_value()
    return literal(parser) if value is None else value


def number_list(parser: Reader) -> list[Number]:
    """`[1, %n, 64]`."""
    return parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: number(parser))


def static(values: Sequence[Number]) -> DenseArrayBase:
    """The literals among `values`, DYNAMIC for each other."""
    return DenseArrayBase.from_list(i64, [value if isinstance(value, int) else DYNAMIC for value in values])


def dynamic(values: Sequence[Number]) -> list[SSAValue]:
    """The SSA values among `values`."""
    return [value for value in values if not isinstance(value, int)]


def dimensions(parser: Reader) -> DenseArrayBase:
    """`[<size = 2, stride = 8>, ...]`, outermost first, as size, stride, size, stride, ..."""
    return pairs(parser, ("size", "stride"))


def paddings(parser: Reader) -> DenseArrayBase:
    """`[<const_pad_before = 1, const_pad_after = 2>, ...]`, flat."""
    return pairs(parser, PADS)


def dense(parser: Reader, type: "MemRefType[Attribute]") -> DenseIntOrFPElementsAttr:
    """`dense<...>`, or `dense<...> : type`, as the contents of a memref."""
    element = type.element_type
    if not isinstance(element, IntegerType | AnyFloat | IndexType):
        parser.raise_error("initial values need elements that are numbers")
    parser.parse_keyword("dense", ": initial values are written dense<...>")
    tensor = TensorType(cast("IntegerType | AnyFloat | IndexType", element), type.get_shape())
    where = parser.pos
    parser.check_elements(prod(type.get_shape()), where)
    try:
        found = parser.parse_dense_int_or_fp_elements_attr(tensor)
    except ParseError as error:
        if not error.msg.startswith("Shape mismatch"):
            raise
        parser.raise_error(error.msg, where)  # xDSL points behind the literal
    if parser.parse_optional_punctuation(":") is not None:
        parser.parse_type()
    return found


def as_memref(type: Attribute) -> "MemRefType[Attribute] | None":
    """A type as a memref, None if it is none."""
    return cast("MemRefType[Attribute]", type) if isinstance(type, MemRefType) else None


def memref(parser: Reader) -> "MemRefType[Attribute]":
    """A memref type with static sizes."""
    where = parser.pos
    found = as_memref(parser.parse_type())
    if found is None:
        parser.raise_error("a memref type is expected here", where)
    if any(size < 0 for size in found.get_shape()):
        parser.raise_error("the sizes of this memref must be numbers", where)
    return found


def optional_integer(op: Operation, name: str) -> int | None:
    """An integer attribute or property of `op`, None where it is missing."""
    found = op.properties.get(name, op.attributes.get(name))
    return found.value.data if isinstance(found, IntegerAttr) else None


def integer(op: Operation, name: str, default: int = 0) -> int:
    """The same, or its default."""
    found = optional_integer(op, name)
    return default if found is None else found


def flag(op: Operation, name: str) -> bool:
    """A boolean attribute or property of `op`, false where it is missing."""
    return integer(op, name) != 0


def values_of(array: Attribute | None) -> tuple[int, ...]:
    """The integers of a dense array, none where it is missing."""
    return tuple(int(value) for value in array.get_values()) if isinstance(array, DenseArrayBase) else ()


def dims_of(flat: Attribute | None) -> tuple[Dim, ...]:
    """What `dimensions` read."""
    return tuple(Dim(size, stride) for size, stride in _couples(flat))


def pads_of(flat: Attribute | None) -> tuple[Pad, ...]:
    """What `paddings` read."""
    return tuple(Pad(before, after) for before, after in _couples(flat))


def _couples(flat: Attribute | None) -> Iterable[tuple[int, int]]:
    values = values_of(flat)
    return zip(values[::2], values[1::2], strict=True)
