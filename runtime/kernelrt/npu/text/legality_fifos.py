"""Object fifos: ends, objects, and what their DMAs would have to do."""

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd
from kernelrt.npu.design import Design
from kernelrt.npu.errors import DesignError
from kernelrt.npu.fifo import Fifo, FifoEnd, Link, linked
from kernelrt.npu.hardware import Direction
from kernelrt.npu.memref import Memref
from kernelrt.npu.text import legality_bd
from kernelrt.npu.text.storage import owner


def check(design: Design) -> None:
    """Raises DesignError for an end that cannot be where it is, or whose DMA cannot move its objects so."""
    links = linked(design.links)
    known = {fifo.name: fifo for fifo in design.fifos}
    for fifo in design.fifos:
        if len({end.tile for end in fifo.consumers}) != len(fifo.consumers):
            raise DesignError.at(
                design.file, fifo.where, f"@{fifo.name} names a consumer twice: each tile is one consumer"
            )
        _host(design.file, fifo)
        if fifo.initial and len(fifo.initial) != fifo.producer.depth:
            problem = f"@{fifo.name} has {len(fifo.initial)} initial objects and a depth of {fifo.producer.depth}"
            raise DesignError.at(design.file, fifo.where, f"{problem}: give one for each object")
        if fifo.producer.pads and not fifo.producer.dims:
            raise DesignError.at(design.file, fifo.where, f"@{fifo.name}: padDimensions need dimensionsToStream")
        if fifo.shares_memory:
            continue
        if fifo.type.nbytes % hardware.GRANULE:
            problem = f"@{fifo.name} has objects of {fifo.type.nbytes} bytes: a DMA moves words"
            raise DesignError.at(design.file, fifo.where, f"{problem}, make them a multiple of 4 bytes")
        for end, direction in fifo.ends:
            if end.dims:
                _dims(design.file, fifo, end, direction, links.get(fifo.name), known)


def _host(file: str, fifo: Fifo) -> None:
    """What an end on a shim tile cannot have: its DMA is programmed by the runtime sequence."""
    for end, direction in fifo.ends:
        if hardware.kind(end.tile) != "shim":
            continue
        if end.dims or end.pads:
            way = "dimensionsToStream" if direction == "MM2S" else "dimensionsFromStream"
            problem = (
                f"@{fifo.name}: {way} on {hardware.name(end.tile)}: give the sizes and strides in the runtime sequence"
            )
            raise DesignError.at(file, fifo.where, problem)
        if direction == "MM2S" and (fifo.repeat != 1 or fifo.initial):
            what = "repeat_count" if fifo.repeat != 1 else "initial objects"
            raise DesignError.at(
                file, fifo.where, f"@{fifo.name}: {what} on {hardware.name(end.tile)}, which has no memory"
            )


def _dims(file: str, fifo: Fifo, end: FifoEnd, direction: Direction, link: Link | None, fifos: dict[str, Fifo]) -> None:
    """The end's dimensions as the BD that the lowering makes of them."""
    elements = length = fifo.type.elements
    if link is not None and end.tile == link.tile(fifos):
        holder, _ = owner(link, fifos)
        elements = max(elements, holder.type.elements) if not end.pads else holder.type.elements
        parts = link.sources if len(link.sources) > 1 else link.targets
        if len(parts) > 1 and holder.name == fifo.name:  # one BD for each part of the whole object
            elements = length = min(fifos[name].type.elements for name in parts)
    bd = Bd(fifo.name, 0, length, end.dims, end.pads, None, None, None, None, None, fifo.where)
    spot = legality_bd.Spot(file, end.tile, direction, True, f"an object of @{fifo.name}")
    legality_bd.check(spot, bd, Memref(fifo.type.dtype, (elements,)))
