"""Explicit DMAs, circuits, core streams and cascades, as designs write them by hand."""

import numpy as np

from tests.npu.sim.designs import (
    LOCKED,
    buffer,
    core,
    each,
    fifo,
    get,
    lock,
    memcpy,
    numbers,
    put,
    sequence,
    simulate,
    whole,
)


def test_buffers_locks_and_chains_by_hand() -> None:
    """A core tile with two BDs in turn on the way in, a memory tile that reorders in four dimensions on the way out."""
    a, b = numbers(96), np.zeros(96, np.int32)
    dims = "[<size = 2, stride = 1>, <size = 3, stride = 8>, <size = 2, stride = 4>, <size = 2, stride = 2>]"
    text = (
        "".join(buffer(f"in{i}", "t2", "memref<24xi32>") for i in (0, 1))
        + buffer("out", "t2", "memref<24xi32>")
        + buffer("box", "m", "memref<24xi32>")
        + lock("if", "t2", 0, 2)
        + lock("iu", "t2", 1, 0)
        + lock("of", "t2", 2, 1)
        + lock("ou", "t2", 3, 0)
        + lock("bf", "m", 0, 1)
        + lock("bu", "m", 1, 0)
        + f"""
    aie.flow(%s, DMA : 0, %t2, DMA : 1)
    aie.flow(%t2, DMA : 0, %m, DMA : 2)
    aie.flow(%m, DMA : 3, %s, DMA : 1)
    %mem = aie.mem(%t2) {{
      %d0 = aie.dma_start(S2MM, 1, ^a0, ^next)
    ^a0:{LOCKED.format(acquire="if", bd="%in0 : memref<24xi32>, 0, 24", release="iu")}
      aie.next_bd ^a1
    ^a1:{LOCKED.format(acquire="if", bd="%in1 : memref<24xi32>, 0, 24", release="iu")}
      aie.next_bd ^a0
    ^next:
      %d1 = aie.dma_start(MM2S, 0, ^o, ^end)
    ^o:{LOCKED.format(acquire="ou", bd="%out : memref<24xi32>, 0, 24", release="of")}
      aie.next_bd ^o
    ^end:
      aie.end
    }}
    %boxes = aie.memtile_dma(%m) {{
      %d2 = aie.dma_start(S2MM, 2, ^i, ^next)
    ^i:{LOCKED.format(acquire="bf", bd="%box : memref<24xi32>, 0, 24", release="bu")}
      aie.next_bd ^i
    ^next:
      %d3 = aie.dma_start(MM2S, 3, ^o, ^end)
    ^o:{LOCKED.format(acquire="bu", bd="%box : memref<24xi32>, 0, 24, " + dims, release="bf")}
      aie.next_bd ^o
    ^end:
      aie.end
    }}"""
    )
    half = """aie.use_lock(%iu, AcquireGreaterEqual, 1)
        aie.use_lock(%of, AcquireGreaterEqual, 1)
        {loop}
        aie.use_lock(%if, Release, 1)
        aie.use_lock(%ou, Release, 1)"""
    loops = [
        f"""scf.for %i{n} = %c0 to %n step %c1 {{
          %v{n} = memref.load %in{n}[%i{n}] : memref<24xi32>
          %w{n} = arith.addi %v{n}, %one : i32
          memref.store %w{n}, %out[%i{n}] : memref<24xi32>
        }}"""
        for n in (0, 1)
    ]
    text += core("t2", "%n = arith.constant 24 : index\n" + "\n".join(half.format(loop=loop) for loop in loops))
    text += """
    aie.shim_dma_allocation @from(%s, MM2S, 0)
    aie.shim_dma_allocation @to(%s, S2MM, 1)
    aie.runtime_sequence(%a: memref<96xi32>, %b: memref<96xi32>) {
"""
    text += memcpy("to", "b", 96, 1, token=True) + memcpy("from", "a", 96, 0) + "aiex.npu.dma_wait {symbol = @to}\n}"
    simulate(text, a, b)
    order = [i + 8 * j + 4 * k + 2 * n for i in range(2) for j in range(3) for k in range(2) for n in range(2)]
    np.testing.assert_array_equal(b.reshape(4, 24), (a + 1).reshape(4, 24)[:, order])


def test_a_stream_between_cores() -> None:
    b = np.zeros(8, np.int32)
    text = "aie.flow(%t2, Core : 0, %t3, Core : 0)\n" + fifo("out", "%t3, {%s}", "memref<8xi32>")
    sends = """%k = arith.index_cast %round : index to i32
        aie.put_stream(%zero : i32, %k : i32)"""
    text += core("t2", "%zero = arith.constant 0 : i32\n" + sends)
    takes = each(8, "%v = aie.get_stream(%zero : i32) : i32\nmemref.store %v, %out[%i] : memref<8xi32>")
    body = ["%zero = arith.constant 0 : i32", get("out", "Produce", "memref<8xi32>"), takes, put("out", "Produce")]
    simulate(text + core("t3", "\n".join(body)) + sequence("%b: memref<8xi32>", ("out", whole("b", 8))), b)
    np.testing.assert_array_equal(b, np.arange(8))


def test_a_cascade_between_cores() -> None:
    a, b = numbers(160), np.zeros(160, np.int32)
    small, vector = "memref<16xi32>", "vector<16xi32>"
    read = f"%v = vector.load %in[%c0] : {small}, {vector}\naie.put_cascade(%v : {vector})"
    text = fifo("in", "%s, {%t3}", small) + fifo("out", "%t2, {%s}", small) + "aie.cascade_flow(%t3, %t2)\n"
    text += core("t3", "\n".join([get("in", "Consume", small), read, put("in", "Consume")]))
    write = f"%v = aie.get_cascade() : {vector}\n%w = arith.addi %v, %v : {vector}\n"
    write += f"vector.store %w, %out[%c0] : {small}, {vector}"
    text += core("t2", "\n".join([get("out", "Produce", small), write, put("out", "Produce")]))
    simulate(
        text + sequence("%a: memref<160xi32>, %b: memref<160xi32>", ("in", whole("a", 160)), ("out", whole("b", 160))),
        a,
        b,
    )
    np.testing.assert_array_equal(b, a + a)
