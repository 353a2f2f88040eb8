"""Memory and locks of each tile, counted."""

from collections.abc import Iterable

from kernelrt.npu import hardware
from kernelrt.npu.bd import LockUse
from kernelrt.npu.design import Design, Lock
from kernelrt.npu.errors import DesignError
from kernelrt.npu.hardware import Tile
from kernelrt.npu.place import Place
from kernelrt.npu.text.storage import stores

Entry = tuple[str, int, Place]  # what, how much, where


def check(design: Design) -> None:
    """Raises DesignError where a tile has too little memory or too few locks, or an address or lock id is wrong."""
    _memory(design)
    _addresses(design)
    _locks(design)


def _memory(design: Design) -> None:
    used: dict[Tile, list[Entry]] = {}
    for core in design.cores:
        used.setdefault(core.tile, []).append(("stack", core.stack_bytes, core.where))
    for buffer in design.buffers:
        if hardware.kind(buffer.tile) != "shim":
            used.setdefault(buffer.tile, []).append((buffer.name, buffer.type.nbytes, buffer.where))
    for store in stores(design.fifos, design.links):
        name = f"@{store.fifo} {store.depth} x {store.size}"
        used.setdefault(store.tile, []).append((name, store.depth * store.size, store.where))
    for tile, entries in used.items():
        _fits(design, tile, entries, hardware.limits(tile).memory, "bytes of memory")


def _fits(design: Design, tile: Tile, entries: list[Entry], limit: int, what: str) -> None:
    total = sum(count for _, count, _ in entries)
    if total <= limit:
        return
    largest = max(entries, key=lambda entry: entry[1])
    table = ", ".join(f"{name}: {count}" for name, count, _ in sorted(entries, key=lambda entry: -entry[1]))
    raise DesignError.at(
        design.file,
        largest[2],
        f"{hardware.name(tile)} has {limit} {what}, but {total} are needed ({table}): make the largest smaller",
    )


def _addresses(design: Design) -> None:
    placed = [buffer for buffer in design.buffers if buffer.address is not None]
    for number, buffer in enumerate(placed):
        assert buffer.address is not None
        end = buffer.address + buffer.type.nbytes
        limit = hardware.limits(buffer.tile).memory
        if buffer.address < 0 or buffer.address % hardware.GRANULE or end > limit:
            problem = f"address {buffer.address}: {buffer.name} must begin at a multiple of 4 and end by {limit}"
            raise DesignError.at(design.file, buffer.where, problem)
        for other in placed[:number]:
            assert other.address is not None
            if other.tile == buffer.tile and other.address < end and buffer.address < other.address + other.type.nbytes:
                problem = f"{buffer.name} overlaps {other.name}, which begins at {other.address} of the same tile"
                raise DesignError.at(design.file, buffer.where, problem)


def _locks(design: Design) -> None:
    used: dict[Tile, list[Entry]] = {}
    ids: dict[tuple[Tile, int], Lock] = {}
    for lock in design.locks:
        limit = hardware.limits(lock.tile).locks
        if lock.id is not None:
            if not 0 <= lock.id < limit:
                problem = f"lock {lock.id}: {hardware.name(lock.tile)} has locks 0 to {limit - 1}"
                raise DesignError.at(design.file, lock.where, problem)
            if (first := ids.get((lock.tile, lock.id))) is not None:
                problem = (
                    f"lock {lock.id} of {hardware.name(lock.tile)} is declared already, in line {first.where.line}"
                )
                raise DesignError.at(design.file, lock.where, problem)
            ids[lock.tile, lock.id] = lock
        if lock.init not in hardware.LOCK_VALUES:
            raise DesignError.at(design.file, lock.where, f"init = {lock.init}: a lock begins with 0 to 63")
        used.setdefault(lock.tile, []).append((lock.name, 1, lock.where))
    for store in stores(design.fifos, design.links):
        used.setdefault(store.tile, []).append((f"@{store.fifo}", store.locks, store.where))
    for tile, entries in used.items():
        _fits(design, tile, entries, hardware.limits(tile).locks, "locks")


def check_uses(file: str, uses: Iterable[LockUse | None], where: Place) -> None:
    """The values of a BD's acquire and release against the seven bits that hold them."""
    for use in uses:
        if use is None:
            continue
        held = hardware.LOCK_CHANGES if use.action == "release" else hardware.LOCK_VALUES
        if use.value not in held:
            problem = f"{use.value} for lock {use.lock}: the hardware holds {held[0]} to {held[-1]} here"
            raise DesignError.at(file, where, problem)
