"""What the lowering of object fifos puts into tiles: objects, locks, and BDs of channels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelrt.npu import hardware
from kernelrt.npu.fifo import Fifo, FifoEnd, Link, linked
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.place import Place


@dataclass(frozen=True, slots=True)
class Store:
    """`depth` objects of `size` bytes in a tile's memory, with their locks."""

    tile: Tile
    fifo: str
    depth: int
    size: int
    locks: int
    where: Place


@dataclass(frozen=True, slots=True)
class Chain:
    """How many BDs a channel takes for an end of a fifo."""

    tile: Tile
    fifo: str
    direction: Direction
    channel: int
    bds: int
    where: Place


def owner(link: Link, fifos: dict[str, Fifo]) -> tuple[Fifo, FifoEnd]:
    """The fifo whose objects a link's tile holds, and its end there: the one with the larger objects."""
    source, target = fifos[link.sources[0]], fifos[link.targets[0]]
    at_source = shared_end(link, source, fifos)
    if len(link.sources) > 1:
        return target, target.producer
    if len(link.targets) > 1:
        return source, at_source
    if target.initial or (source.type.nbytes < target.type.nbytes and not target.producer.pads):
        return target, target.producer
    return source, at_source


def shared_end(link: Link, source: Fifo, fifos: dict[str, Fifo]) -> FifoEnd:
    """The consumer of a link's source that stands in the link's tile."""
    tile = link.tile(fifos)
    return next(end for end in source.consumers if end.tile == tile)


def stores(fifos: Sequence[Fifo], links: Sequence[Link]) -> Iterator[Store]:
    """Every place with objects. A link's fifos share those of one."""
    known, in_link = {fifo.name: fifo for fifo in fifos}, linked(links)
    for link in links:
        fifo, end = owner(link, known)
        factor = max(len(link.sources), len(link.targets))
        yield Store(end.tile, fifo.name, end.depth, fifo.type.nbytes, 2 * factor * fifo.synchronized, fifo.where)
    for fifo in fifos:
        locks = 2 * fifo.synchronized
        if fifo.shares_memory:
            yield Store(fifo.home, fifo.name, fifo.producer.depth, fifo.type.nbytes, locks, fifo.where)
            continue
        link = in_link.get(fifo.name)
        for end in (fifo.producer, *fifo.consumers):
            if hardware.kind(end.tile) != "shim" and not (link and end.tile == link.tile(known)):
                yield Store(end.tile, fifo.name, end.depth, fifo.type.nbytes, locks, fifo.where)


def chains(fifos: Sequence[Fifo], links: Sequence[Link]) -> Iterator[Chain]:
    """The BDs of every channel that a fifo has on a compute or memory tile."""
    known, in_link = {fifo.name: fifo for fifo in fifos}, linked(links)
    for fifo in fifos:
        link = in_link.get(fifo.name)
        for end, direction in fifo.ends:
            if end.channel is None or hardware.kind(end.tile) == "shim":
                continue
            count = end.depth * (fifo.repeat if direction == "MM2S" else 1)
            if link is not None and end.tile == link.tile(known):
                holder, held = owner(link, known)
                factor = max(len(link.sources), len(link.targets)) if holder is fifo else 1
                count = held.depth * factor * (fifo.repeat if direction == "MM2S" else 1)
            yield Chain(end.tile, fifo.name, direction, end.channel, count, fifo.where)
