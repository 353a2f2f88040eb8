"""What cores use: memory and locks within reach, fifos as they were made."""

import re

from kernelrt.npu import hardware
from kernelrt.npu.design import Buffer, Design, Lock
from kernelrt.npu.fifo import Fifo, linked
from kernelrt.npu.memref import Memref
from kernelrt.npu.text.core_scan import Access, CoreLock, FifoUse
from kernelrt.npu.text.resolve_cores import ScannedCore
from kernelrt.npu.text.source import Source


def check(design: Design, cores: tuple[ScannedCore, ...], source: Source) -> None:
    """Raises DesignError for what a core cannot reach, or uses in another way than it was declared."""
    buffers = {buffer.name: buffer for buffer in design.buffers}
    locks = {lock.name: lock for lock in design.locks}
    for scanned in cores:
        first = dict(reversed(scanned.scan.names))
        for name, (kind, target) in scanned.core.names.items():
            where = first.get(name.removeprefix("%"))
            if where is not None and kind in ("buffer", "lock"):
                _reach(source, scanned, where, name, buffers[target] if kind == "buffer" else locks[target])
        for use in scanned.scan.locks:
            _lock(source, scanned, use)
        _fifos(design, scanned, source)


def _reach(source: Source, scanned: ScannedCore, where: int, name: str, owner: Buffer | Lock) -> None:
    if hardware.reaches(scanned.core.tile, owner.tile):
        return
    what = "memory" if isinstance(owner, Buffer) else "lock"
    raise source.error(
        where,
        f"{name} is a {what} of {hardware.name(owner.tile)}, which the core of {hardware.name(scanned.core.tile)} does "
        "not reach: it reaches its own and those of the compute tiles to the west, north and south",
    )


def _lock(source: Source, scanned: ScannedCore, use: CoreLock) -> None:
    kind = scanned.core.names.get(f"%{use.lock}", ("", ""))[0]
    if kind not in ("lock", ""):
        raise source.error(use.offset, f"%{use.lock} is a {kind}, no lock")
    if use.action not in ("Acquire", "AcquireGreaterEqual", "Release"):
        raise source.error(use.offset, f"{use.action}: expected Acquire, AcquireGreaterEqual or Release")
    held = hardware.LOCK_CHANGES if use.action == "Release" else hardware.LOCK_VALUES
    if use.value is not None and use.value not in held:
        raise source.error(use.offset, f"{use.value} for lock %{use.lock}: the hardware holds 0 to 63")


def _fifos(design: Design, scanned: ScannedCore, source: Source) -> None:
    fifos = {fifo.name: fifo for fifo in design.fifos}
    links = linked(design.links)
    held: dict[str, int] = {}
    acquired: dict[str, FifoUse] = {}
    accesses = list(scanned.scan.accesses)
    for use in scanned.scan.uses:
        while accesses and accesses[0].offset < use.offset:
            _access(source, accesses.pop(0), acquired)
        fifo = fifos.get(use.fifo)
        if fifo is None:
            raise source.error(use.offset, f"@{use.fifo} is no aie.objectfifo of this device")
        depth = _depth(source, scanned, use, fifo)
        if use.fifo in links and links[use.fifo].tile(fifos) == scanned.core.tile:
            raise source.error(
                use.offset, f"@{use.fifo} is linked on this tile: its DMA passes the objects on, no core takes them"
            )
        if use.kind == "acquire":
            if use.count > depth:
                problem = (
                    f"acquire of {use.count} objects of @{use.fifo}, which holds {depth} here: it would wait for ever"
                )
                raise source.error(use.offset, problem + ", give the fifo a larger depth")
            _type(source, use.offset, use.type, fifo.type, use.fifo)
            held[use.fifo] = max(held.get(use.fifo, 0), use.count)
            if use.subview is not None:
                acquired[use.subview] = use
        elif scanned.scan.straight and use.count > held.get(use.fifo, 0):
            problem = f"release of {use.count} objects of @{use.fifo}, but {held.get(use.fifo, 0)} are acquired here"
            raise source.error(use.offset, problem)
        else:
            held[use.fifo] = held.get(use.fifo, 0) - use.count
    for access in accesses:
        _access(source, access, acquired)


def _depth(source: Source, scanned: ScannedCore, use: FifoUse, fifo: Fifo) -> int:
    """How many objects the core's end of the fifo has."""
    tile = scanned.core.tile
    if use.count < 1:
        raise source.error(use.offset, f"a count of {use.count}: at least one object")
    if use.port == "Produce":
        if fifo.producer.tile != tile:
            raise source.error(
                use.offset, f"@{use.fifo} is produced on {hardware.name(fifo.producer.tile)}, not by this core"
            )
        return fifo.producer.depth
    if use.port != "Consume":
        raise source.error(use.offset, f"{use.port}: expected Produce or Consume")
    end = next((end for end in fifo.consumers if end.tile == tile), None)
    if end is None:
        tiles = ", ".join(hardware.name(end.tile) for end in fifo.consumers)
        raise source.error(use.offset, f"@{use.fifo} is consumed on {tiles}, not by this core")
    if fifo.shares_memory:
        assert hardware.reaches(tile, fifo.home)
        return fifo.producer.depth
    return end.depth


def _access(source: Source, access: Access, acquired: dict[str, FifoUse]) -> None:
    use = acquired.get(access.subview)
    if use is None:
        return  # the JIT's MLIR says what this value is
    if access.index >= use.count:
        raise source.error(
            access.offset, f"object {access.index} of {access.subview}: {use.count} are acquired, counted from 0"
        )
    if use.type is not None and _plain(access.type) != _plain(use.type):
        raise source.error(access.offset, f"{access.subview} has objects of {use.type}, not of {access.type}")
    if _plain(access.type) != _plain(access.result) and access.type.startswith("memref"):
        raise source.error(access.offset, f"an object of {access.type} is no {access.result}")


def _type(source: Source, offset: int, given: str | None, type: Memref, fifo: str) -> None:
    if given is not None and given.startswith("memref<") and _plain(given) != str(type):
        raise source.error(offset, f"@{fifo} has objects of {type}, not of {given}")


def _plain(type: str) -> str:
    """A memref type without spaces, layout and memory space."""
    return re.sub(r",.*>$", ">", type.replace(" ", ""))
