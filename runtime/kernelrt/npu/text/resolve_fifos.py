"""Object fifos and links, with the depth at each end and whether streams carry them, as mlir-aie's lowering has it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, SymbolRefAttr
from xdsl.ir import Attribute

from kernelrt.npu import hardware
from kernelrt.npu.fifo import Fifo, FifoEnd, Link
from kernelrt.npu.hardware import Tile
from kernelrt.npu.text import syntax
from kernelrt.npu.text.attributes import PadLayouts
from kernelrt.npu.text.dialect_fifo import ObjectFifoAllocateOp, ObjectFifoLinkOp, ObjectFifoOp
from kernelrt.npu.text.resolve_cores import ScannedCore
from kernelrt.npu.text.scope import Scope, contents, memref

_UNSUPPORTED = {
    "aie_stream": "a fifo that ends in a core's stream port is not supported",
    "aie_stream_port": "a fifo that ends in a core's stream port is not supported",
    "iter_count": "iter_count is not supported: let the fifo run on",
    "via_shared_mem": "via_shared_mem is not supported: use aie.objectfifo.allocate",
}


def fifos(scope: Scope, links: Sequence[Link], cores: Sequence[ScannedCore]) -> tuple[Fifo, ...]:
    """All fifos of the device, without the channels of their ends."""
    allocated = _allocated(scope)
    acquired = _acquired(cores)
    found = [_fifo(scope, op, allocated) for op in scope.walk(ObjectFifoOp) if isinstance(op, ObjectFifoOp)]
    types = {fifo.name: fifo for fifo in found}
    resolved: list[Fifo] = []
    for op, fifo in zip(scope.walk(ObjectFifoOp), found, strict=True):
        given = syntax.values_of(op.properties["depths"])
        streams = _by_streams(fifo, links, types)
        single = streams and len(given) == 1
        producer, *consumers = (
            replace(end, depth=_depth(fifo.name, end, acquired)) if single and (number or not fifo.initial) else end
            for number, end in enumerate((fifo.producer, *fifo.consumers))
        )
        via_dma = streams and (
            fifo.via_dma or (len(consumers) == 1 and hardware.share(fifo.producer.tile, consumers[0].tile))
        )
        resolved.append(replace(fifo, producer=producer, consumers=tuple(consumers), via_dma=via_dma))
    return tuple(resolved)


def _depth(name: str, end: FifoEnd, acquired: Mapping[tuple[str, Tile], int]) -> int:
    """mlir-aie's depth of an end whose own was not given: one more than its core acquires at once, for prefetching."""
    most = acquired.get((name, end.tile), 0)
    if most == 0 or (most == 1 and end.depth == 1):
        return end.depth
    return most + 1


def _acquired(cores: Sequence[ScannedCore]) -> dict[tuple[str, Tile], int]:
    """How many objects of a fifo a core acquires at once, at most."""
    most: dict[tuple[str, Tile], int] = {}
    for core in cores:
        for use in core.scan.uses:
            if use.kind == "acquire":
                key = (use.fifo, core.core.tile)
                most[key] = max(most.get(key, 0), use.count)
    return most


def _by_streams(fifo: Fifo, links: Sequence[Link], types: Mapping[str, Fifo]) -> bool:
    """Whether DMAs and a stream carry the objects: anything but one plain consumer that shares memory."""
    if fifo.via_dma or fifo.repeat != 1 or len(fifo.consumers) != 1:
        return True
    if fifo.producer.dims or fifo.consumers[0].dims or not hardware.share(fifo.producer.tile, fifo.consumers[0].tile):
        return True
    link = next((link for link in links if fifo.name in (*link.sources, *link.targets)), None)
    if link is None:
        return False
    one_to_one = len(link.sources) == len(link.targets) == 1
    return (
        not one_to_one or fifo.producer.allocate is None or types[link.sources[0]].type != types[link.targets[0]].type
    )


def _allocated(scope: Scope) -> dict[str, Tile]:
    found: dict[str, Tile] = {}
    for op in scope.walk(ObjectFifoAllocateOp):
        name = _fifo_name(scope, op, op.properties["fifo"])
        if name in found:
            raise scope.error(op, f"@{name} has an aie.objectfifo.allocate already")
        tile = scope.tile(op, op.operands[0])
        fifo = scope.symbols[name]
        ends = [scope.tile(fifo, end) for end in fifo.operands]
        if len(ends) != 2:
            raise scope.error(
                op, f"@{name} has {len(ends) - 1} consumers: only a fifo with one can be allocated elsewhere"
            )
        for end in ends:
            if not hardware.reaches(end, tile):
                raise scope.error(
                    op, f"@{name}: {hardware.name(end)} does not reach the memory of {hardware.name(tile)}"
                )
        found[name] = tile
    return found


def _fifo_name(scope: Scope, op: ObjectFifoAllocateOp | ObjectFifoLinkOp | object, reference: Attribute) -> str:
    assert isinstance(op, ObjectFifoAllocateOp | ObjectFifoLinkOp)
    name = scope.symbol(op, reference, "fifo")
    if not isinstance(scope.symbols[name], ObjectFifoOp):
        raise scope.error(op, f"@{name} is no aie.objectfifo")
    return name


def _fifo(scope: Scope, op: ObjectFifoOp, allocated: Mapping[str, Tile]) -> Fifo:
    for name, problem in _UNSUPPORTED.items():
        if name in op.attributes:
            raise scope.error(op, problem)
    if syntax.flag(op, "plio"):
        raise scope.error(op, "plio: npu1 has no programmable logic")
    if syntax.integer(op, "padValue"):
        raise scope.error(op, "padValue: the DMA of npu1 pads with zeros alone")
    name = op.sym_name.data
    depths = syntax.values_of(op.depths)
    ends = len(op.consumers) + 1
    if len(depths) not in (1, ends):
        raise scope.error(
            op, f"@{name} has {len(depths)} depths: give one for all, or {ends}: the producer's and each consumer's"
        )
    if any(depth < 1 for depth in depths):
        raise scope.error(op, f"@{name}: a depth of {min(depths)}: each end holds at least one object")
    depths = depths * ends if len(depths) == 1 else depths
    element = memref(scope, op, op.element)
    pads = op.attributes.get("padDimensions")
    repeat = syntax.integer(op, "repeat_count", 1)
    if repeat < 1:
        raise scope.error(op, f"@{name}: repeat_count = {repeat}: it is at least 1")
    # A repeat_count of 1 still takes the fifo off shared memory, as in mlir-aie.
    return Fifo(
        name,
        element,
        FifoEnd(
            scope.tile(op, op.producer),
            depths[0],
            syntax.dims_of(op.to_stream),
            syntax.pads_of(pads.values) if isinstance(pads, PadLayouts) else (),
            allocated.get(name),
        ),
        tuple(
            FifoEnd(scope.tile(op, tile), depth, syntax.dims_of(dims), (), allocated.get(name))
            for tile, depth, dims in zip(op.consumers, depths[1:], op.from_stream, strict=True)
        ),
        syntax.flag(op, "via_DMA") or "repeat_count" in op.attributes,
        repeat,
        tuple(contents(value) or b"" for value in op.initial) if op.initial is not None else (),
        scope.place(op),
        not syntax.flag(op, "disable_synchronization"),
    )


def links(scope: Scope) -> tuple[Link, ...]:
    """All links of the device."""
    return tuple(
        Link(
            tuple(_fifo_name(scope, op, name) for name in _symbols(op.sources)),
            tuple(_fifo_name(scope, op, name) for name in _symbols(op.targets)),
            _integers(op.source_offsets),
            _integers(op.target_offsets),
            scope.place(op),
        )
        for op in scope.walk(ObjectFifoLinkOp)
        if isinstance(op, ObjectFifoLinkOp)
    )


def _symbols(array: ArrayAttr[SymbolRefAttr]) -> tuple[SymbolRefAttr, ...]:
    return array.data


def _integers(array: ArrayAttr[IntegerAttr]) -> tuple[int, ...]:
    return tuple(value.value.data for value in array.data)
