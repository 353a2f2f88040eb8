"""The channels that aie.mem, aie.memtile_dma and aie.shim_dma start."""

from collections.abc import Iterator
from dataclasses import replace

from xdsl.ir import Block, Region

from kernelrt.npu import hardware
from kernelrt.npu.design import Channel
from kernelrt.npu.hardware import Tile
from kernelrt.npu.text import syntax
from kernelrt.npu.text.dialect_aie import EndOp
from kernelrt.npu.text.dialect_dma import DMAOp, DmaProgram, DMAStartOp, MemOp, MemTileDMAOp, ShimDMAOp
from kernelrt.npu.text.resolve_bd import STATIC, chain
from kernelrt.npu.text.scope import Scope

_KINDS: dict[type[DmaProgram], hardware.Kind] = {MemOp: "compute", MemTileDMAOp: "memory", ShimDMAOp: "shim"}


def channels(scope: Scope) -> tuple[Channel, ...]:
    """All channels that the device starts, tile by tile, in the order in which they start."""
    found: list[Channel] = []
    seen: dict[Tile, DmaProgram] = {}
    for op in scope.walk(MemOp, MemTileDMAOp, ShimDMAOp):
        assert isinstance(op, DmaProgram)
        tile = scope.tile(op, op.operands[0])
        if hardware.kind(tile) != (wanted := _KINDS[type(op)]):
            right = next(kind.name for kind, at in _KINDS.items() if at == hardware.kind(tile))
            raise scope.error(
                op, f"{op.name} is for a {hardware.NAMES[wanted]}, but this is {hardware.name(tile)}: use {right}"
            )
        if tile in seen:
            line = scope.place(seen[tile]).line
            raise scope.error(op, f"{hardware.name(tile)} has a DMA program already, in line {line}: join the two")
        seen[tile] = op
        found += _program(scope, tile, op.body)
    return tuple(found)


def _program(scope: Scope, tile: Tile, body: Region) -> Iterator[Channel]:
    if not body.blocks:
        return
    for op in body.blocks[0].ops:
        if isinstance(op, DMAOp):
            yield _listed(scope, tile, op)
    visited: set[Block] = set()
    block = body.blocks[0]
    while block not in visited and isinstance(start := block.last_op, DMAStartOp):
        visited.add(block)
        if isinstance(start.dest.first_op, EndOp | DMAStartOp):
            raise scope.error(start, "this channel starts no BD: its first block must be one with an aie.dma_bd")
        bds = chain(scope, start.dest, STATIC)
        yield Channel(
            tile,
            start.channel_dir.direction,
            start.channel_index.value.data,
            bds,
            syntax.integer(start, "repeat_count"),
            scope.place(start),
        )
        block = start.chain
    if not isinstance(block.last_op, EndOp | DMAStartOp):
        raise scope.error(
            block.last_op or body.blocks[0].parent_op() or scope.device,
            "the chain of dma_starts must end in a block with aie.end, not in a BD",
        )


def _listed(scope: Scope, tile: Tile, op: DMAOp) -> Channel:
    """`aie.dma(...) [{...}, {...}]`: the BDs in their order, round and round if `loop`."""
    bds = [bd for region in op.bds for bd in chain(scope, region.blocks[0], STATIC)] if op.bds else []
    if not bds:
        raise scope.error(op, "this channel has no BD: give at least one region with an aie.dma_bd")
    if syntax.integer(op, "pad_value"):
        raise scope.error(op, "pad_value: the DMA of npu1 pads with zeros alone")
    last = 0 if syntax.integer(op, "loop", 1) else None
    linked = [replace(bd, next=number + 1 if number + 1 < len(bds) else last) for number, bd in enumerate(bds)]
    return Channel(
        tile,
        op.channel_dir.direction,
        op.channel_index.value.data,
        tuple(linked),
        syntax.integer(op, "repeat_count"),
        scope.place(op),
    )
