"""Ports of stream switches, and cascades."""

from kernelrt.npu import hardware
from kernelrt.npu.design import Cascade, Design, Flow, Port
from kernelrt.npu.errors import DesignError
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.place import Place


def check(design: Design) -> None:
    """Raises DesignError for a port that is not there, or that two streams would use at once."""
    sources: dict[Port, tuple[str, Place]] = {}
    targets: dict[Port, tuple[str, Place]] = {}
    for flow in design.flows:
        kind = "a flow" if flow.packet is None else "packets"
        _port(design.file, flow.source, "MM2S", flow.where)
        _take(design.file, sources, flow.source, kind, flow)
        for port in flow.targets:
            _port(design.file, port, "S2MM", flow.where)
            _take(design.file, targets, port, kind, flow)
    for fifo in design.fifos:
        for end, ports in ((fifo.producer, sources), *((end, targets) for end in fifo.consumers)):
            port = Port(end.tile, "DMA", end.channel if end.channel is not None else -1)
            if port in ports:
                problem = (
                    f"the lowering gives @{fifo.name} {_name(port)}, which the flow of line {ports[port][1].line} uses"
                )
                raise DesignError.at(design.file, fifo.where, problem)
    _cascades(design)


def _name(port: Port) -> str:
    return f"{port.bundle} {port.channel} of {hardware.name(port.tile)}"


def _port(file: str, port: Port, direction: Direction, where: Place) -> None:
    count = hardware.stream_ports(port.tile, port.bundle, direction)
    if not 0 <= port.channel < count:
        way = "as a source" if direction == "MM2S" else "as a destination"
        raise DesignError.at(file, where, f"{_name(port)} is no port {way}: there are {count}")


def _take(file: str, taken: dict[Port, tuple[str, Place]], port: Port, kind: str, flow: Flow) -> None:
    """Notes who uses a port: one flow, or any number of packet flows."""
    before = taken.setdefault(port, (kind, flow.where))
    if before[1] == flow.where and flow.targets.count(port) < 2:
        return
    if kind == "a flow" or before[0] == "a flow":
        way = "comes into" if port in flow.targets else "leaves"
        problem = (
            f"{kind} {way} {_name(port)}, where {before[0]} of line {before[1].line} does already: use another port"
        )
        raise DesignError.at(file, flow.where, problem)


def _cascades(design: Design) -> None:
    out: dict[Tile, Cascade] = {}
    into: dict[Tile, Cascade] = {}
    for cascade in design.cascades:
        for tile in (cascade.source, cascade.target):
            if hardware.kind(tile) != "compute":
                raise DesignError.at(
                    design.file, cascade.where, f"{hardware.name(tile)} has no cascade: compute tiles alone do"
                )
        east = cascade.target.column - cascade.source.column
        north = cascade.target.row - cascade.source.row
        if (east, north) not in ((1, 0), (0, -1)):
            problem = (
                f"a cascade from {hardware.name(cascade.source)} to {hardware.name(cascade.target)}: it goes to the "
                "neighbour to the east or to the south alone"
            )
            raise DesignError.at(design.file, cascade.where, problem)
        for ends, tile, way in ((out, cascade.source, "out of"), (into, cascade.target, "into")):
            if tile in ends:
                problem = (
                    f"a second cascade {way} {hardware.name(tile)}, after line {ends[tile].where.line}: there is one"
                )
                raise DesignError.at(design.file, cascade.where, problem)
            ends[tile] = cascade
