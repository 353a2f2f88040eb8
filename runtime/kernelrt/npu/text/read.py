"""From the text of a design to a Design: parsed, resolved, verified. Needs xDSL."""

from kernelrt.npu import hardware
from kernelrt.npu.design import Design
from kernelrt.npu.errors import DesignError
from kernelrt.npu.text import (
    channels,
    legality_cores,
    legality_dma,
    legality_fifos,
    legality_links,
    legality_memory,
    legality_sequence,
    legality_streams,
    resolve_cores,
    resolve_dma,
    resolve_fifos,
    resolve_sequence,
    resolve_streams,
    syntax,
)
from kernelrt.npu.text.dialect_aie import DeviceOp
from kernelrt.npu.text.dialect_fifo import ObjectFifoOp
from kernelrt.npu.text.parse import Parsed, parse
from kernelrt.npu.text.scope import Scope, read_scope


def read(text: str, file: str, device: str | None = None) -> Design:
    """Reads mlir-aie's text for npu1; `device` names one of several. Raises DesignError with file, line and column for
    what the language or the hardware does not allow."""
    try:
        parsed = parse(text, file)
        return _design(parsed, _device(parsed, device))
    except RecursionError:
        raise DesignError(f"{file}: nested too deeply to be read") from None


def _device(parsed: Parsed, wanted: str | None) -> DeviceOp:
    devices = [op for op in parsed.module.walk() if isinstance(op, DeviceOp)]
    names = [op.sym_name.data if op.sym_name else "main" for op in devices]
    if not devices:
        raise parsed.source.error(0, "no aie.device in this file: a design is what stands inside one")
    if wanted is None and len(devices) > 1:
        where = parsed.reader.spans[devices[1]].name
        raise parsed.source.error(
            where, f"{len(devices)} devices, one can be loaded at a time: say which, {', '.join(names)}"
        )
    if wanted is not None and wanted not in names:
        raise parsed.source.error(0, f"no device @{wanted} in this file: there are {', '.join(names)}")
    chosen = devices[0 if wanted is None else names.index(wanted)]
    if chosen.device.data not in hardware.COLUMNS:
        known = ", ".join(hardware.COLUMNS)
        where = parsed.reader.spans[chosen].name
        raise parsed.source.error(where, f"aie.device({chosen.device.data}) is not supported: use one of {known}")
    return chosen


def _pinned(scope: Scope) -> dict[str, channels.Pinned]:
    found: dict[str, channels.Pinned] = {}
    for op in scope.walk(ObjectFifoOp):
        assert isinstance(op, ObjectFifoOp)
        producer = syntax.integer(op, "prod_dma_channel", -1)
        consumers = op.attributes.get("cons_dma_channels")
        if producer >= 0 or consumers is not None:
            found[op.sym_name.data] = channels.Pinned(producer if producer >= 0 else None, syntax.values_of(consumers))
    return found


def _design(parsed: Parsed, device: DeviceOp) -> Design:
    scope = read_scope(parsed, device)
    cores = resolve_cores.cores(scope)
    links = resolve_fifos.links(scope)
    started = resolve_dma.channels(scope)
    fifos = resolve_fifos.fifos(scope, links, cores)
    legality_links.check(parsed.source.file, fifos, links)
    fifos = channels.assign(parsed.source.file, fifos, started, _pinned(scope))
    flows = resolve_streams.flows(scope)
    sequences = resolve_sequence.sequences(scope, fifos, flows)
    design = Design(
        parsed.source.file,
        device.device.data,
        tuple(scope.tiles.values()),
        tuple(scope.buffers.values()),
        tuple(scope.locks.values()),
        started,
        flows,
        resolve_streams.cascades(scope),
        fifos,
        links,
        tuple(core.core for core in cores),
        sequences,
    )
    verify(design)
    legality_cores.check(design, cores, parsed.source)
    return design


def verify(design: Design) -> None:
    """What the hardware demands of a design, its cores' text aside. Raises DesignError."""
    legality_memory.check(design)
    legality_fifos.check(design)
    legality_streams.check(design)
    legality_dma.check(design)
    legality_sequence.check(design)
