"""Objectfifos, with all that the language has: what comes out against NumPy."""

import numpy as np
import pytest

from kernelrt.npu.hardware import Tile
from tests.npu.sim.designs import add_one, core, each, fifo, get, numbers, put, sequence, simulate, whole, worker

N = 256
I = f"memref<{N}xi32>"  # noqa: E741
IO = f"%a: {I}, %b: {I}"


def through(middle: str, count: int = N) -> str:
    """A design whose fifo `in` comes from argument a, and whose `out` goes to b."""
    return middle + sequence(IO, ("in", whole("a", count)), ("out", whole("b", count)))


@pytest.mark.parametrize("depth", ["1 : i32", "2 : i32", "[2, 1]", "[1, 4]"])
def test_a_core_between_two_fifos(depth: str) -> None:
    a, b = numbers(N), np.zeros(N, np.int32)
    ends = fifo("in", "%s, {%t2}", "memref<32xi32>", depth) + fifo("out", "%t2, {%s}", "memref<32xi32>", depth)
    report = simulate(through(ends + worker("t2", 32)), a, b)
    np.testing.assert_array_equal(b, a + 1)
    assert report.moved(Tile(0, 0), "MM2S") == report.moved(Tile(0, 2), "S2MM") == 4 * N
    assert report.warnings == ()


@pytest.mark.parametrize(("larger", "smaller"), [(64, 64), (64, 16), (16, 64)])
def test_links_through_a_memory_tile_with_objects_of_two_sizes(larger: int, smaller: int) -> None:
    a, b = numbers(N), np.zeros(N, np.int32)
    outer, inner = f"memref<{larger}xi32>", f"memref<{smaller}xi32>"
    text = (
        fifo("in", "%s, {%m}", outer)
        + fifo("in1", "%m, {%t2}", inner)
        + "aie.objectfifo.link [@in] -> [@in1] ([] [])\n"
        + fifo("out1", "%t2, {%m}", inner)
        + fifo("out", "%m, {%s}", outer)
        + "aie.objectfifo.link [@out1] -> [@out] ([] [])\n"
        + worker("t2", smaller, "in1", "out1")
    )
    simulate(through(text), a, b)
    np.testing.assert_array_equal(b, a + 1)


def test_broadcast_distribute_and_join() -> None:
    """Each of four cores gets its quarter and all of a broadcast vector, and adds them."""
    part, total = 16, 64
    a, v, b = numbers(4 * total), numbers(part, seed=1), np.zeros(4 * total, np.int32)
    small = f"memref<{part}xi32>"
    cores = ["t2", "t3", "t4", "t5"]
    text = fifo("in", "%s, {%m}", f"memref<{total}xi32>") + fifo("out", "%m, {%s}", f"memref<{total}xi32>")
    text += fifo("all", "%s, {%t2, %t3, %t4, %t5}", small, "1 : i32")
    for tile in cores:
        text += fifo(f"in_{tile}", f"%m, {{%{tile}}}", small) + fifo(f"out_{tile}", f"%{tile}, {{%m}}", small)
        add = each(
            part,
            f"""%x = memref.load %in_{tile}[%i] : {small}
            %y = memref.load %all[%i] : {small}
            %z = arith.addi %x, %y : i32
            memref.store %z, %out_{tile}[%i] : {small}""",
        )
        body = [get(f"in_{tile}", "Consume", small), get(f"out_{tile}", "Produce", small), add]
        body += [put(f"in_{tile}", "Consume"), put(f"out_{tile}", "Produce")]
        text += f"""
        %core_{tile} = aie.core(%{tile}) {{
          %c0 = arith.constant 0 : index
          %c1 = arith.constant 1 : index
          %c4 = arith.constant 4 : index
          {get("all", "Consume", small)}
          scf.for %round = %c0 to %c4 step %c1 {{
            {chr(10).join(body)}
          }}
          {put("all", "Consume")}
          aie.end
        }}"""
    ins, outs = (", ".join(f"@{way}_{tile}" for tile in cores) for way in ("in", "out"))
    offsets = ", ".join(str(part * i) for i in range(4))
    text += f"aie.objectfifo.link [@in] -> [{ins}] ([] [{offsets}])\n"
    text += f"aie.objectfifo.link [{outs}] -> [@out] ([{offsets}] [])\n"
    arguments = f"%a: memref<{4 * total}xi32>, %v: {small}, %b: memref<{4 * total}xi32>"
    tasks = [("in", whole("a", 4 * total)), ("all", whole("v", part)), ("out", whole("b", 4 * total))]
    report = simulate(text + sequence(arguments, *tasks), a, v, b)
    np.testing.assert_array_equal(b.reshape(-1, part), a.reshape(-1, part) + v)
    assert all(report.moved(Tile(0, row), "S2MM") == 4 * (4 * part + part) for row in (2, 3, 4, 5))


def test_dimensions_to_and_from_a_stream() -> None:
    """The memory tile blocks an 8 x 32 matrix into 4 x 8 pieces; the core's DMA transposes what it gets by words."""
    a, b = numbers(N), np.zeros(N, np.int32)
    sizes = "<size = 2, stride = 128>, <size = 4, stride = 8>, <size = 4, stride = 32>, <size = 8, stride = 1>"
    to = f"dimensionsToStream [{sizes}]"
    back = "dimensionsFromStream [<size = 16, stride = 1>, <size = 16, stride = 16>]"
    text = (
        fifo("in", "%s, {%m}", I)
        + fifo("in1", f"%m {to}, {{%t2 {back}}}", I)
        + "aie.objectfifo.link [@in] -> [@in1] ([] [])\n"
        + fifo("out", "%t2, {%s}", I)
        + worker("t2", N, "in1", "out")
    )
    simulate(through(text), a, b)
    blocked = a.reshape(2, 4, 4, 8).transpose(0, 2, 1, 3).reshape(16, 16)
    np.testing.assert_array_equal(b, blocked.T.reshape(-1) + 1)


def test_padding_in_the_memory_tile() -> None:
    a, b = numbers(6 * 8, np.int32), np.zeros(8 * 16, np.int32)
    pad = "padDimensions = #aie<bd_pad_layout_array[<const_pad_before = 1, const_pad_after = 1>, "
    pad += "<const_pad_before = 4, const_pad_after = 4>]>"
    dims = "dimensionsToStream [<size = 6, stride = 8>, <size = 8, stride = 1>]"
    text = (
        fifo("in", "%s, {%m}", "memref<48xi32>")
        + f"aie.objectfifo @in1(%m {dims}, {{%t2}}, 2 : i32) {{{pad}}} : !aie.objectfifo<memref<128xi32>>\n"
        + "aie.objectfifo.link [@in] -> [@in1] ([] [])\n"
        + fifo("out", "%t2, {%s}", "memref<128xi32>")
        + worker("t2", 128, "in1", "out")
        + sequence("%a: memref<48xi32>, %b: memref<128xi32>", ("in", whole("a", 48)), ("out", whole("b", 128)))
    )
    simulate(text, a, b)
    np.testing.assert_array_equal(b.reshape(8, 16), np.pad(a.reshape(6, 8), ((1, 1), (4, 4))) + 1)


def test_repeat_count_sends_each_object_again() -> None:
    a, b = numbers(64), np.zeros(192, np.int32)
    text = (
        fifo("in", "%s, {%m}", "memref<16xi32>")
        + fifo("out", "%m, {%s}", "memref<16xi32>", attributes="{repeat_count = 3 : i32}")
        + "aie.objectfifo.link [@in] -> [@out] ([] [])\n"
        + sequence("%a: memref<64xi32>, %b: memref<192xi32>", ("in", whole("a", 64)), ("out", whole("b", 192)))
    )
    simulate(text, a, b)
    np.testing.assert_array_equal(b.reshape(4, 3, 16), np.repeat(a.reshape(4, 1, 16), 3, axis=1))


def test_a_cores_fifo_with_repeat_count() -> None:
    b = np.zeros(48, np.int32)
    body = [get("out", "Produce", "memref<8xi32>"), "%k = arith.index_cast %round : index to i32"]
    body += [each(8, "memref.store %k, %out[%i] : memref<8xi32>"), put("out", "Produce")]
    text = fifo("out", "%t2, {%s}", "memref<8xi32>", attributes="{repeat_count = 2 : i32}")
    text += core("t2", "\n".join(body)) + sequence("%b: memref<48xi32>", ("out", whole("b", 48)))
    simulate(text, b)
    np.testing.assert_array_equal(b.reshape(3, 2, 8), np.arange(3)[:, None, None] + np.zeros((3, 2, 8)))


def test_initial_values_are_what_the_consumer_finds_first() -> None:
    b = np.zeros(24, np.int32)
    first = "= [dense<[1, 2, 3, 4, 5, 6, 7, 8]> : memref<8xi32>, dense<9> : memref<8xi32>]"
    body = [get("out", "Produce", "memref<8xi32>"), each(8, "memref.store %one, %out[%i] : memref<8xi32>")]
    text = f"aie.objectfifo @out(%t2, {{%s}}, 2 : i32) : !aie.objectfifo<memref<8xi32>> {first}\n"
    text += core("t2", "\n".join([*body, put("out", "Produce")])) + sequence(
        "%b: memref<24xi32>", ("out", whole("b", 24))
    )
    simulate(text, b)
    np.testing.assert_array_equal(b, [*range(1, 9), *[9] * 8, *[1] * 8])


@pytest.mark.parametrize("attributes", ["", "{via_DMA = true}"])
@pytest.mark.parametrize("other", ["t3", "u2"])
def test_neighbours_share_memory_or_use_streams(other: str, attributes: str) -> None:
    a, b = numbers(N), np.zeros(N, np.int32)
    small = "memref<16xi32>"
    text = fifo("in", "%s, {%t2}", small) + fifo("out", f"%{other}, {{%s}}", small)
    text += fifo("mid", f"%t2, {{%{other}}}", small, attributes=attributes)
    report = simulate(through(text + worker("t2", 16, "in", "mid") + worker(other, 16, "mid", "out")), a, b)
    np.testing.assert_array_equal(b, a + 2)
    assert report.moved(Tile(0, 2), "MM2S") == (4 * N if attributes else 0)


def test_a_window_slides_over_objects_that_stay_held() -> None:
    """Each output is the sum of two neighbours: acquire two, release one."""
    a, b = numbers(5 * 8), np.zeros(4 * 8, np.int32)
    small = "memref<8xi32>"
    view = f"!aie.objectfifosubview<{small}>"
    body = f"""
      %w = aie.objectfifo.acquire @in(Consume, 2) : {view}
      %x = aie.objectfifo.subview.access %w[0] : {view} -> {small}
      %y = aie.objectfifo.subview.access %w[1] : {view} -> {small}
      {get("out", "Produce", small)}
      {
        each(
            8,
            f'''%p = memref.load %x[%i] : {small}
        %q = memref.load %y[%i] : {small}
        %z = arith.addi %p, %q : i32
        memref.store %z, %out[%i] : {small}''',
        )
    }
      {put("in", "Consume")}
      {put("out", "Produce")}"""
    text = fifo("in", "%s, {%t2}", small, "3 : i32") + fifo("out", "%t2, {%s}", small) + core("t2", body)
    text += sequence("%a: memref<40xi32>, %b: memref<32xi32>", ("in", whole("a", 40)), ("out", whole("b", 32)))
    simulate(text, a, b)
    rows = a.reshape(5, 8)
    np.testing.assert_array_equal(b.reshape(4, 8), rows[:-1] + rows[1:])


def test_objects_in_the_memory_of_another_tile() -> None:
    a, b = numbers(N), np.zeros(N, np.int32)
    small = "memref<16xi32>"
    text = fifo("in", "%s, {%t2}", small) + fifo("mid", "%t2, {%t3}", small)
    text += "aie.objectfifo.allocate @mid(%t3)\n" + fifo("out", "%t3, {%s}", small)
    simulate(through(text + worker("t2", 16, "in", "mid") + worker("t3", 16, "mid", "out")), a, b)
    np.testing.assert_array_equal(b, a + 2)


def test_smaller_elements_than_words() -> None:
    a, b = numbers(64, np.int8), np.zeros(64, np.int8)
    small = "memref<16xi8>"
    body = [get("in", "Consume", small), get("out", "Produce", small), "%byte = arith.constant 1 : i8"]
    add = add_one("in", "out", 16, "i8").replace("%one", "%byte")
    text = fifo("in", "%s, {%t2}", small) + fifo("out", "%t2, {%s}", small)
    text += core("t2", "\n".join([*body, add, put("in", "Consume"), put("out", "Produce")]))
    bds = [("in", whole("a", 64, "i8")), ("out", whole("b", 64, "i8"))]
    simulate(text + sequence("%a: memref<64xi8>, %b: memref<64xi8>", *bds), a, b)
    np.testing.assert_array_equal(b, a + np.int8(1))
