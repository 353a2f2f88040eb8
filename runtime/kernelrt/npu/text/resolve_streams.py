"""Flows, packet flows and cascades."""

from collections.abc import Iterator
from typing import cast, get_args

from xdsl.ir import Operation

from kernelrt.npu import hardware
from kernelrt.npu.design import Bundle, Cascade, Flow, Port
from kernelrt.npu.hardware import Tile
from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import WireBundle
from kernelrt.npu.text.dialect_aie import (
    CascadeFlowOp,
    ConfigureCascadeOp,
    EndOp,
    FlowOp,
    PacketDestOp,
    PacketFlowOp,
    PacketSourceOp,
)
from kernelrt.npu.text.scope import Scope


def flows(scope: Scope) -> tuple[Flow, ...]:
    """Circuit-switched flows, those of one source joined, and packet flows: one for each source."""
    circuits: dict[Port, Flow] = {}
    for op in scope.walk(FlowOp):
        assert isinstance(op, FlowOp)
        source = _port(scope, op, scope.tile(op, op.source), op.source_bundle, op.source_channel.value.data)
        target = _port(scope, op, scope.tile(op, op.dest), op.dest_bundle, op.dest_channel.value.data)
        before = circuits.get(source)
        targets = (*before.targets, target) if before else (target,)
        circuits[source] = Flow(source, targets, None, False, before.where if before else scope.place(op))
    packets = [flow for op in scope.walk(PacketFlowOp) if isinstance(op, PacketFlowOp) for flow in _packets(scope, op)]
    return (*circuits.values(), *packets)


def _packets(scope: Scope, op: PacketFlowOp) -> Iterator[Flow]:
    sources: list[Port] = []
    targets: list[Port] = []
    for inner in op.ports.walk():
        if isinstance(inner, PacketSourceOp | PacketDestOp):
            port = _port(scope, inner, scope.tile(inner, inner.tile), inner.bundle, inner.channel.value.data)
            (sources if isinstance(inner, PacketSourceOp) else targets).append(port)
        elif not isinstance(inner, EndOp):
            raise scope.error(inner, f"{inner.name} cannot stand in aie.packet_flow")
    if not sources or not targets:
        missing = "packet_source" if not sources else "packet_dest"
        raise scope.error(op, f"this packet flow has no aie.{missing}")
    id = op.ID.value.data
    if id not in hardware.PACKET_IDS:
        raise scope.error(op, f"packet id {id}: five bits hold 0 to 31")
    for source in sources:
        yield Flow(source, tuple(targets), id, syntax.flag(op, "keep_pkt_header"), scope.place(op))


def _port(scope: Scope, op: Operation, tile: Tile, bundle: WireBundle, channel: int) -> Port:
    if bundle.data not in get_args(Bundle):
        raise scope.error(op, f"{bundle.data}: npu1 has no programmable logic and no such port")
    return Port(tile, cast("Bundle", bundle.data), channel)


def cascades(scope: Scope) -> tuple[Cascade, ...]:
    """Cascades, given by cascade_flow, or by the directions that configure_cascade gives two neighbours."""
    found = [
        Cascade(scope.tile(op, op.source_tile), scope.tile(op, op.dest_tile), scope.place(op))
        for op in scope.walk(CascadeFlowOp)
        if isinstance(op, CascadeFlowOp)
    ]
    configured = {
        scope.tile(op, op.tile): op for op in scope.walk(ConfigureCascadeOp) if isinstance(op, ConfigureCascadeOp)
    }
    for tile, op in configured.items():
        if op.inputDir.data not in ("North", "West") or op.outputDir.data not in ("South", "East"):
            raise scope.error(op, "a cascade of npu1 comes in from North or West and goes out to South or East")
        east = op.outputDir.data == "East"
        target = Tile(tile.column + 1, tile.row) if east else Tile(tile.column, tile.row - 1)
        behind = configured.get(target)
        if behind is not None and behind.inputDir.data == ("West" if east else "North"):
            found.append(Cascade(tile, target, scope.place(op)))
    return tuple(found)
