"""Channels and BDs of each tile: what there is, what reaches what."""

from collections.abc import Iterable, Mapping

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd
from kernelrt.npu.design import Buffer, Design, Lock
from kernelrt.npu.errors import DesignError
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.instructions import ConfigureTask, Sync
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place
from kernelrt.npu.text import legality_bd, legality_memory
from kernelrt.npu.text.storage import chains


def check(design: Design) -> None:
    """Raises DesignError for a channel or a BD that the hardware does not have, or that cannot reach its memory."""
    buffers = {buffer.name: buffer for buffer in design.buffers}
    locks = {lock.name: lock for lock in design.locks}
    ids: dict[tuple[Tile, int], Bd] = {}
    endless: dict[tuple[Tile, Direction, int], Place] = {}
    for channel in design.channels:
        key = (channel.tile, channel.direction, channel.index)
        _channel(design.file, channel.tile, channel.direction, channel.index, channel.where)
        if key in endless:
            problem = f"{channel.direction} {channel.index} runs the endless chain of line {endless[key].line}"
            raise DesignError.at(design.file, channel.where, f"{problem}: this one never starts")
        _repeat(design.file, channel.repeat, channel.where)
        if any(bd.next is not None and bd.next <= number for number, bd in enumerate(channel.bds)):
            endless[key] = channel.where
        for bd in channel.bds:
            _bd(design, bd, key, buffers, locks, {}, static=True)
            if bd.id is not None and ids.setdefault((channel.tile, bd.id), bd).where != bd.where:
                first = ids[channel.tile, bd.id].where.line
                raise DesignError.at(
                    design.file,
                    bd.where,
                    f"BD {bd.id} of {hardware.name(channel.tile)} is used already, in line {first}",
                )
    _count(design)
    for sequence in design.sequences:
        arguments = {argument.name: argument.type for argument in sequence.arguments}
        for instruction in sequence.instructions:
            if isinstance(instruction, ConfigureTask):
                _channel(design.file, *instruction.channel, instruction.where)
                _repeat(design.file, instruction.repeat, instruction.where)
                for bd in instruction.bds:
                    _bd(design, bd, instruction.channel, buffers, locks, arguments, static=False)
            elif isinstance(instruction, Sync):
                _channel(design.file, *instruction.channel, instruction.where)


def _channel(file: str, tile: Tile, direction: Direction, index: int, where: Place) -> None:
    if not 0 <= index < hardware.limits(tile).channels:
        raise DesignError.at(
            file,
            where,
            f"{direction} channel {index}: {hardware.name(tile)} has 0 to {hardware.limits(tile).channels - 1}",
        )


def _repeat(file: str, count: int, where: Place) -> None:
    if count not in hardware.REPEATS:
        raise DesignError.at(file, where, f"repeat_count {count}: the queue holds 0 to 255")


def _bd(
    design: Design,
    bd: Bd,
    channel: tuple[Tile, Direction, int],
    buffers: Mapping[str, Buffer],
    locks: Mapping[str, Lock],
    arguments: Mapping[str, Memref],
    *,
    static: bool,
) -> None:
    tile, direction, index = channel
    host = bd.buffer in arguments or hardware.kind(buffers[bd.buffer].tile) == "shim"
    if host != (hardware.kind(tile) == "shim"):
        what = "memory of the host" if host else f"memory of {hardware.name(buffers[bd.buffer].tile)}"
        raise DesignError.at(
            design.file, bd.where, f"{bd.buffer} is {what}, which the DMA of {hardware.name(tile)} does not reach"
        )
    if not host:
        _reaches(design.file, tile, index, buffers[bd.buffer].tile, f"buffer {bd.buffer}", bd.where)
    for use in (bd.acquire, bd.release):
        if use is not None:
            _reaches(design.file, tile, index, locks[use.lock].tile, f"lock {use.lock}", bd.where)
    legality_memory.check_uses(design.file, (bd.acquire, bd.release), bd.where)
    type = arguments.get(bd.buffer) or buffers[bd.buffer].type
    legality_bd.check(legality_bd.Spot(design.file, tile, direction, static, bd.buffer), bd, type)
    if bd.id is not None and bd.id not in (usable := hardware.bds_of_channel(tile, index)):
        parity = f", an {'odd' if index % 2 else 'even'} one" if hardware.kind(tile) == "memory" else ""
        problem = f"BD {bd.id} on channel {index}{parity}, of {hardware.name(tile)}"
        raise DesignError.at(design.file, bd.where, f"{problem}: it can use BDs {usable[0]} to {usable[-1]}")


def _reaches(file: str, tile: Tile, channel: int, memory: Tile, what: str, where: Place) -> None:
    if tile == memory:
        return
    kind = hardware.kind(tile)
    if kind == "memory" and hardware.reaches(tile, memory):
        if channel < hardware.limits(tile).neighbours:
            return
        reason = f"only channels 0 to {hardware.limits(tile).neighbours - 1} reach the memory tiles beside"
    else:
        reason = (
            "it reaches its own memory"
            + (" and that of the memory tiles beside" if kind == "memory" else "")
            + " alone"
        )
    raise DesignError.at(
        file, where, f"{what} is in {hardware.name(memory)}, but this DMA is that of {hardware.name(tile)}: {reason}"
    )


def _count(design: Design) -> None:
    """BDs of each tile: those of the text and those that fifos take."""
    groups: dict[tuple[Tile, int], list[tuple[str, int, Place]]] = {}
    seen: set[tuple[Tile, Place]] = set()
    for channel in design.channels:
        fresh = {bd.where for bd in channel.bds if (channel.tile, bd.where) not in seen}
        seen |= {(channel.tile, where) for where in fresh}
        name = f"{channel.direction} {channel.index}"
        groups.setdefault(_group(channel.tile, channel.index), []).append((name, len(fresh), channel.where))
    for chain in chains(design.fifos, design.links):
        name = f"{chain.direction} {chain.channel} @{chain.fifo}"
        groups.setdefault(_group(chain.tile, chain.channel), []).append((name, chain.bds, chain.where))
    for (tile, parity), entries in groups.items():
        _fits(design.file, tile, parity, entries)


def _group(tile: Tile, channel: int) -> tuple[Tile, int]:
    return tile, channel % 2 if hardware.kind(tile) == "memory" else 0


def _fits(file: str, tile: Tile, parity: int, entries: Iterable[tuple[str, int, Place]]) -> None:
    rows = sorted(entries, key=lambda entry: -entry[1])
    limit = len(hardware.bds_of_channel(tile, parity))
    total = sum(count for _, count, _ in rows)
    if total > limit:
        table = ", ".join(f"{name}: {count}" for name, count, _ in rows)
        which = f" for its {'odd' if parity else 'even'} channels" if hardware.kind(tile) == "memory" else ""
        raise DesignError.at(
            file,
            rows[0][2],
            f"{hardware.name(tile)} has {limit} BDs{which}, but {total} are needed ({table}): lower a depth",
        )
