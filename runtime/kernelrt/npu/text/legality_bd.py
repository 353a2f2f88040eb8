"""One buffer descriptor against the registers that hold it."""

from dataclasses import dataclass
from math import prod

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd, Dim
from kernelrt.npu.errors import DesignError
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.memref import Memref

# mlir-aie's verifier of aie.dma_bd (AIEDialect.cpp) takes no larger ones, though the hardware would on memory tiles.
LARGEST_SIZE = 512
LARGEST_STRIDE = 2**19 - 1


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a BD runs. `static`: in aie.mem and its like, else in a runtime sequence."""

    file: str
    tile: Tile
    direction: Direction
    static: bool
    what: str  # how a message calls the BD's buffer


def check(spot: Spot, bd: Bd, type: Memref) -> None:
    """Raises DesignError for what a BD's registers cannot hold, or what is outside of its buffer."""
    width = type.item
    _length(spot, bd, width)
    _sizes(spot, bd, width)
    _strides(spot, bd, width)
    _pads(spot, bd, width)
    _extent(spot, bd, type.elements)
    if bd.packet is not None and bd.packet not in hardware.PACKET_IDS:
        raise _error(spot, bd, f"packet id {bd.packet}: five bits hold 0 to 31")


def _error(spot: Spot, bd: Bd, problem: str) -> DesignError:
    return DesignError.at(spot.file, bd.where, problem)


def _length(spot: Spot, bd: Bd, width: int) -> None:
    if bd.length < 1:
        raise _error(spot, bd, f"a length of {bd.length}: a BD moves at least one word")
    if bd.offset < 0:
        raise _error(spot, bd, f"an offset of {bd.offset}: it cannot be negative")
    for name, count in (("length", bd.length), ("offset", bd.offset)):
        if count * width % hardware.GRANULE:
            raise _error(
                spot, bd, f"{name} {count} is {count * width} bytes: a DMA counts words, give it a multiple of 4 bytes"
            )


def _sizes(spot: Spot, bd: Bd, width: int) -> None:
    limit = hardware.limits(spot.tile)
    most = limit.dimensions + (not spot.static)  # a task's outermost dimension may be the BD's iteration
    if len(bd.dims) > most:
        extra = "" if spot.static else " and a repeat"
        raise _error(
            spot, bd, f"{len(bd.dims)} dimensions: the DMA of {hardware.name(spot.tile)} has {limit.dimensions}{extra}"
        )
    if any(dim.size < 1 for dim in bd.dims):
        raise _error(spot, bd, "a size of 0: each dimension has at least one step")
    inner = bd.dims[-limit.dimensions :]
    if len(bd.dims) > limit.dimensions and bd.dims[0].size > hardware.ITERATIONS:
        raise _error(spot, bd, f"{bd.dims[0].size} repeats: a BD's iteration counts to {hardware.ITERATIONS}")
    if not bd.dims or (not spot.static and _linear(inner)):
        return
    for place, dim in enumerate(reversed(inner)):
        words = dim.size * width // hardware.GRANULE if place == 0 else dim.size
        if place < limit.dimensions - 1 and words > limit.wraps:
            unit = "words" if place == 0 else "steps"
            raise _error(
                spot,
                bd,
                f"size {dim.size} is {words} {unit}: {hardware.name(spot.tile)} counts to {limit.wraps}, split it",
            )
        if spot.static and dim.size > LARGEST_SIZE:
            raise _error(
                spot, bd, f"size {dim.size}: mlir-aie takes no dimension of more than {LARGEST_SIZE}, split it"
            )


def _linear(dims: tuple[Dim, ...]) -> bool:
    """Whether dimensions are one contiguous run, which needs none of the registers."""
    step = 1
    for dim in reversed(dims):
        if dim.size > 1 and dim.stride != step:
            return False
        step *= dim.size
    return True


def _strides(spot: Spot, bd: Bd, width: int) -> None:
    if not bd.dims:
        return
    *outer, inner = bd.dims
    if width != hardware.GRANULE and inner.stride != 1 and inner.size > 1:
        raise _error(
            spot, bd, f"innermost stride {inner.stride}: elements of {width} bytes move in words, so it must be 1"
        )
    if inner.size * width % hardware.GRANULE:
        raise _error(
            spot, bd, f"innermost size {inner.size} is {inner.size * width} bytes: it must be a multiple of 4 bytes"
        )
    repeats = not spot.static and len(bd.dims) > 1  # the outermost stride of a task may be 0: a repeat
    for number, dim in enumerate((*outer, inner)):
        if dim.size == 1 and not spot.static:
            continue
        if dim.stride < (0 if repeats and number == 0 else 1):
            raise _error(spot, bd, f"stride {dim.stride}: it must be at least 1")
        if dim is not inner and dim.size > 1 and dim.stride * width % hardware.GRANULE:
            raise _error(
                spot, bd, f"stride {dim.stride} is {dim.stride * width} bytes: it must be a multiple of 4 bytes"
            )
        words = dim.stride * width // hardware.GRANULE
        if words > hardware.limits(spot.tile).steps or (spot.static and dim.stride > LARGEST_STRIDE):
            raise _error(
                spot,
                bd,
                f"stride {dim.stride} is {words} words: {hardware.name(spot.tile)} steps at most "
                f"{min(hardware.limits(spot.tile).steps, LARGEST_STRIDE)}",
            )


def _pads(spot: Spot, bd: Bd, width: int) -> None:
    if not bd.pads:
        return
    if hardware.kind(spot.tile) != "memory" or spot.direction != "MM2S":
        raise _error(
            spot,
            bd,
            f"padding: only a memory tile's output (MM2S) pads, this is {spot.direction} of {hardware.name(spot.tile)}",
        )
    if len(bd.pads) != len(bd.dims):
        raise _error(spot, bd, f"{len(bd.pads)} paddings and {len(bd.dims)} dimensions: give one padding a dimension")
    for place, pad in enumerate(reversed(bd.pads)):
        scale = width if place == 0 else hardware.GRANULE
        most = hardware.MAX_PADS[place] if place < len(hardware.MAX_PADS) else 0
        for count in (pad.before, pad.after):
            if place == 0 and count * scale % hardware.GRANULE:
                raise _error(spot, bd, f"padding of {count} elements is {count * scale} bytes: it must be whole words")
            if count * scale // hardware.GRANULE > most:
                raise _error(spot, bd, f"padding of {count}: the hardware pads at most {most} words or steps here")


def _extent(spot: Spot, bd: Bd, elements: int) -> None:
    padded = [pad.before + pad.after for pad in bd.pads] or [0] * len(bd.dims)
    moved = prod(dim.size + pad for dim, pad in zip(bd.dims, padded, strict=True)) if bd.dims else bd.length
    if moved != bd.length:
        raise _error(spot, bd, f"length {bd.length}, but the dimensions move {moved} elements: make them agree")
    last = bd.offset + sum((dim.size - 1) * dim.stride for dim in bd.dims) if bd.dims else bd.offset + bd.length - 1
    if last >= elements:
        raise _error(spot, bd, f"this BD reaches element {last} of {spot.what}, which has {elements}")
