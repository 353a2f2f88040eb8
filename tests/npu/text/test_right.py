"""Right designs, construct by construct: what they resolve to."""

import pytest

from kernelrt.npu.bd import Bd, Dim, LockUse, Pad
from kernelrt.npu.design import Design, Port
from kernelrt.npu.fifo import FifoEnd
from kernelrt.npu.hardware import Tile
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place
from kernelrt.npu.text.load import load
from tests.npu.text import programs

SHIM, MEM, CORE2, CORE3, FAR = Tile(0, 0), Tile(0, 1), Tile(0, 2), Tile(0, 3), Tile(2, 4)


@pytest.fixture(scope="module")
def fifos() -> Design:
    return load(programs.FIFOS, "fifos.mlir")


@pytest.fixture(scope="module")
def dmas() -> Design:
    return load(programs.DMAS, "dmas.mlir")


@pytest.fixture(scope="module")
def cores() -> Design:
    return load(programs.CORES, "cores.mlir")


def end(design: Design, name: str, consumer: int | None = None) -> FifoEnd:
    """An end of a fifo: the producer, or a consumer by its number."""
    fifo = next(fifo for fifo in design.fifos if fifo.name == name)
    return fifo.producer if consumer is None else fifo.consumers[consumer]


def test_a_fifo_has_its_type_its_tiles_and_its_place(fifos: Design) -> None:
    fifo = fifos.fifos[0]
    assert (fifo.name, fifo.type, fifo.where) == ("in", Memref("i32", (64,)), Place(9, 5))
    assert (fifo.producer.tile, [end.tile for end in fifo.consumers]) == (SHIM, [MEM])
    assert (fifos.file, fifos.device) == ("fifos.mlir", "npu1")


def test_each_end_of_a_fifo_has_its_depth(fifos: Design) -> None:
    assert (end(fifos, "half0").depth, end(fifos, "half0", 0).depth) == (2, 1)
    assert (end(fifos, "near").depth, end(fifos, "near", 0).depth) == (3, 3)


def test_dimensions_and_padding_stand_at_their_ends(fifos: Design) -> None:
    assert end(fifos, "half1").dims == (Dim(4, 8), Dim(8, 1))
    assert end(fifos, "half1", 0).dims == (Dim(8, 1), Dim(4, 8))
    assert end(fifos, "padded").pads == (Pad(1, 1), Pad(2, 2))


def test_channels_are_given_in_the_order_of_the_fifos(fifos: Design) -> None:
    names = ("in", "half0", "half1", "again", "padded", "small")
    assert [end(fifos, name).channel for name in names] == [0, 0, 1, 2, 3, 1]
    assert [end(fifos, name, 0).channel for name in names] == [0, 0, 0, 1, 1, 1]


def test_ends_that_share_memory_have_no_channel(fifos: Design) -> None:
    by_name = {fifo.name: fifo for fifo in fifos.fifos}
    assert end(fifos, "near").channel is None
    assert not by_name["near"].via_dma
    assert by_name["forced"].via_dma
    assert end(fifos, "forced").channel == 0
    assert end(fifos, "kept").allocate == CORE2


def test_a_fifo_knows_its_contents_its_repeat_and_its_locks(fifos: Design) -> None:
    by_name = {fifo.name: fifo for fifo in fifos.fifos}
    assert by_name["filled"].initial == (bytes([1, 0, 0, 0, 2, 0, 0, 0]), b"\xff" * 8)
    assert by_name["again"].repeat == 3
    assert not by_name["free"].synchronized
    assert by_name["in"].synchronized


def test_links_have_offsets_where_they_distribute(fifos: Design) -> None:
    one, two = fifos.links
    assert (one.sources, one.targets, one.source_offsets, one.target_offsets) == (
        ("in",),
        ("half0", "half1"),
        (),
        (0, 32),
    )
    assert (two.sources, two.targets, two.target_offsets) == (("small",), ("padded",), ())


def test_the_depth_of_a_fifo_that_streams_is_one_more_than_its_core_acquires() -> None:
    body = """
%a = aie.tile(0, 2)
%b = aie.tile(2, 5)
aie.objectfifo @f(%a, {%b}, 4 : i32) : !aie.objectfifo<memref<4xi32>>
%c = aie.core(%a) {
  %s = aie.objectfifo.acquire @f(Produce, 1) : !aie.objectfifosubview<memref<4xi32>>
  aie.objectfifo.release @f(Produce, 1)
  aie.end
}
"""
    design = load(programs.device(body), "f.mlir")
    assert (end(design, "f").depth, end(design, "f", 0).depth) == (2, 4)


def test_buffers_have_contents_and_addresses(dmas: Design) -> None:
    host, a, unnamed, beside, inside = dmas.buffers
    assert (host.name, host.tile) == ("host", SHIM)
    assert (a.type, a.initial, a.address) == (Memref("i32", (2, 16)), bytes([7, 0, 0, 0]) * 32, 1024)
    assert (unnamed.name, unnamed.tile, unnamed.initial, unnamed.address) == ("0", MEM, None, None)
    assert (beside.tile, inside.tile) == (Tile(1, 1), MEM)


def test_locks_have_ids_and_values(dmas: Design) -> None:
    assert [(lock.name, lock.tile, lock.id, lock.init) for lock in dmas.locks] == [
        ("produced", CORE2, 0, 1),
        ("q", CORE2, None, 0),
        ("m", MEM, 63, 2),
    ]


def test_chains_of_blocks_become_channels(dmas: Design) -> None:
    ping, once = dmas.channels[:2]
    assert (ping.tile, ping.direction, ping.index, ping.repeat) == (CORE2, "S2MM", 0, 1)
    first, second = ping.bds
    assert first == Bd(
        "a", 0, 16, (), (), LockUse("produced", "ge", 1), LockUse("q", "release", 1), None, 3, 1, Place(21, 7)
    )
    assert (second.acquire, second.packet, second.next) == (LockUse("produced", "eq", 1), 5, 0)
    assert (second.offset, second.dims) == (16, (Dim(4, 1), Dim(4, 4)))
    assert (once.direction, once.bds[0].length, once.bds[0].next) == ("MM2S", 32, None)


def test_lists_of_bds_become_channels(dmas: Design) -> None:
    finite, endless = dmas.channels[2:4]
    assert ([bd.next for bd in finite.bds], finite.repeat) == ([1, None], 2)
    assert finite.bds[0].acquire == LockUse("m", "ge", 2)
    assert ([bd.next for bd in endless.bds], endless.index) == ([0], 5)
    assert (endless.bds[0].pads, endless.bds[0].packet, endless.bds[0].id) == ((Pad(1, 1), Pad(2, 2)), 31, 24)


def test_a_shim_moves_memory_of_the_host(dmas: Design) -> None:
    channel = dmas.channels[4]
    assert (channel.tile, channel.bds[0].buffer, channel.bds[0].offset) == (SHIM, "host", 8)


def test_flows_of_one_source_are_one(dmas: Design) -> None:
    circuit, *packets = dmas.flows
    assert (circuit.source, circuit.packet) == (Port(SHIM, "DMA", 0), None)
    assert circuit.targets == (Port(CORE2, "DMA", 0), Port(MEM, "DMA", 0))
    assert [(flow.source, flow.packet, flow.keep_header) for flow in packets] == [
        (Port(CORE2, "DMA", 1), 31, True),
        (Port(CORE3, "Core", 0), 31, True),
        (Port(CORE3, "Trace", 0), 3, False),
    ]


def test_cascades_go_to_a_neighbour(dmas: Design) -> None:
    assert [(cascade.source, cascade.target) for cascade in dmas.cascades] == [(CORE3, Tile(1, 3))]
    body = """
%a = aie.tile(0, 3)
%b = aie.tile(0, 2)
aie.configure_cascade(%a, North, South)
aie.configure_cascade(%b, North, East)
"""
    configured = load(programs.device(body), "c.mlir")
    assert [(cascade.source, cascade.target) for cascade in configured.cascades] == [(CORE3, CORE2)]


def test_a_core_is_its_text_and_what_it_names(cores: Design) -> None:
    core = cores.cores[0]
    lines = programs.CORES.splitlines()
    assert lines[core.where.line - 1][: core.where.column - 1].endswith("aie.core(%t2) {")
    assert core.text.startswith(" // }\n      %c0")
    assert core.text.rstrip().endswith("aie.end")
    assert core.names == {
        "%gate": ("lock", "gate"),
        "%north": ("buffer", "north"),
        "%mine": ("buffer", "mine"),
        "%seven": ("constant", "%seven = arith.constant 7 : i32"),
    }
    assert (core.stack_bytes, core.link_with) == (1024, None)


def test_a_core_has_the_aliases_and_functions_around_it(cores: Design) -> None:
    preamble = cores.cores[0].preamble
    assert preamble.startswith("#map = affine_map<(i) -> (i)>\n!vec = vector<16xbf16>\nfunc.func private @outside")
    assert preamble.endswith("return %y : i32\n    }")


def test_a_core_that_calls_what_is_only_declared_needs_an_object_file(cores: Design) -> None:
    assert cores.cores[1].link_with == "far.o"
    body = '%t = aie.tile(0, 2)\n%c = aie.core(%t) { aie.end } {link_with = "own.o"}'
    assert load(programs.device(body), "c.mlir").cores[0].link_with == "own.o"


@pytest.mark.parametrize("name", ["npu1", "npu1_1col", "npu1_2col", "npu1_3col", "npu1_4col"])
def test_the_devices_of_npu1_are_known(name: str) -> None:
    assert load(programs.device("%t = aie.tile(0, 5)", name), "d.mlir").device == name


def test_one_of_several_devices_is_chosen_by_name() -> None:
    text = "aie.device(npu1) @one { %t = aie.tile(0, 2) }\naie.device(npu1_1col) @two { %t = aie.tile(0, 3) }"
    assert load(text, "d.mlir", "two").tiles == (CORE3,)
    assert load(text, "d.mlir", "one").device == "npu1"
