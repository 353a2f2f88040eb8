"""Links of object fifos: one tile in common, parts that make up the whole."""

from collections.abc import Sequence

from kernelrt.npu import hardware
from kernelrt.npu.errors import DesignError
from kernelrt.npu.fifo import Fifo, Link
from kernelrt.npu.hardware import Tile


def check(file: str, fifos: Sequence[Fifo], links: Sequence[Link]) -> None:
    """Raises DesignError for a link that is wrong. Storage and channels can be counted after that."""
    known = {fifo.name: fifo for fifo in fifos}
    seen: dict[str, Link] = {}
    for link in links:
        for name in (*link.sources, *link.targets):
            if name in seen:
                problem = f"@{name} is in the link of line {seen[name].where.line} already: a fifo has one link"
                raise DesignError.at(file, link.where, problem)
            seen[name] = link
        _shape(file, link, known)
        if len(link.sources) == len(link.targets) == 1:
            _sizes(file, link, known)
        else:
            _offsets(file, link, known)


def _shape(file: str, link: Link, fifos: dict[str, Fifo]) -> None:
    sources, targets = len(link.sources), len(link.targets)
    if sources == 0 or targets == 0:
        raise DesignError.at(file, link.where, "a link needs a fifo on each side")
    if sources > 1 and targets > 1:
        problem = "a link joins many fifos or distributes to many, not both: use two links"
        raise DesignError.at(file, link.where, problem)
    first, *_ = link.targets
    tile = link.tile(fifos)
    _meet(file, link, fifos, tile, first)
    many = sources + targets > 2
    if hardware.kind(tile) == "shim" or (many and hardware.kind(tile) != "memory"):
        what = "join and distribute" if many else "links"
        raise DesignError.at(file, link.where, f"{what} need a memory tile, this is {hardware.name(tile)}")


def _meet(file: str, link: Link, fifos: dict[str, Fifo], tile: Tile, first: str) -> None:
    for name in link.sources:
        if all(end.tile != tile for end in fifos[name].consumers):
            problem = f"@{name} has no consumer on {hardware.name(tile)}, where @{first} begins"
            raise DesignError.at(file, link.where, problem)
    for name in link.targets:
        if fifos[name].producer.tile != tile:
            problem = f"@{name} does not begin on {hardware.name(tile)}, where @{first} does"
            raise DesignError.at(file, link.where, problem)


def _sizes(file: str, link: Link, fifos: dict[str, Fifo]) -> None:
    """One to one: objects of one fifo hold whole ones of the other, unless padding makes them."""
    source, target = fifos["".join(link.sources)], fifos["".join(link.targets)]
    small, large = sorted((source.type.nbytes, target.type.nbytes))
    if (small == 0 or large % small) and not target.producer.pads:
        problem = f"@{source.name} has objects of {source.type.nbytes} bytes, @{target.name} of {target.type.nbytes}"
        raise DesignError.at(file, link.where, f"{problem}: one must hold whole ones of the other")


def _offsets(file: str, link: Link, fifos: dict[str, Fifo]) -> None:
    """Where the parts of a joined or distributed object begin, and that they fit."""
    join = len(link.sources) > 1
    parts, (whole, *_) = (link.sources, link.targets) if join else (link.targets, link.sources)
    offsets, other = (link.source_offsets, link.target_offsets) if join else (link.target_offsets, link.source_offsets)
    if len(offsets) != len(parts) or other:
        side = "first" if join else "second"
        problem = f"{len(parts)} fifos need {len(parts)} offsets in the {side} list, and none in the other"
        raise DesignError.at(file, link.where, problem)
    width = fifos[whole].type.item
    ends = (*offsets[1:], fifos[whole].type.elements)
    for name, begin, end in zip(parts, offsets, ends, strict=True):
        part = fifos[name].type.nbytes
        if begin < 0 or (end - begin) * width != part:
            problem = (
                f"@{name} has objects of {part} bytes, but its part of @{whole} is {begin} to {end} "
                f"({(end - begin) * width} bytes): make offsets and sizes agree"
            )
            raise DesignError.at(file, link.where, problem)
        if begin * width % hardware.GRANULE:
            problem = f"offset {begin} is {begin * width} bytes: it must be a multiple of 4"
            raise DesignError.at(file, link.where, problem)
