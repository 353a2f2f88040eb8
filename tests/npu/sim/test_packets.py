"""Streams of packets: which port they go to, what they carry, and what waits behind what."""

import numpy as np
import pytest

from kernelrt.npu.errors import DeadlockError
from kernelrt.npu.sim.machine import Options, Simulator
from tests.npu.sim.designs import SEEDS, buffer, design, lock, looping, memcpy, numbers, simulate


def packets(keep: str = "") -> str:
    """Two buffers of t2 that are sent with ids 1 and 2 over one port, to t3 and t4; both send on to one port of the
    shim with ids 3 and 4."""
    words = "memref<8xi32>"
    text = buffer("x", "t2", words, " = dense<[1, 2, 3, 4, 5, 6, 7, 8]>") + buffer("y", "t2", words, " = dense<11>")
    text += lock("go", "t2", 0, 0)
    text += """
    aie.packet_flow(1) { aie.packet_source<%t2, DMA : 0> aie.packet_dest<%t3, DMA : 0> }
    aie.packet_flow(2) { aie.packet_source<%t2, DMA : 0> aie.packet_dest<%t4, DMA : 0> }
    aie.packet_flow(3) { aie.packet_source<%t3, DMA : 0> aie.packet_dest<%s, DMA : 0> } KEEP
    aie.packet_flow(4) { aie.packet_source<%t4, DMA : 0> aie.packet_dest<%s, DMA : 0> } KEEP
    %mem2 = aie.mem(%t2) {
      %d = aie.dma_start(MM2S, 0, ^x, ^end)
    ^x:
      aie.use_lock(%go, AcquireGreaterEqual, 1)
      aie.dma_bd(%x : memref<8xi32>, 0, 8) {packet = #aie.packet_info<pkt_type = 0, pkt_id = 1>}
      aie.next_bd ^y
    ^y:
      aie.dma_bd(%y : memref<8xi32>, 0, 8) {packet = #aie.packet_info<pkt_type = 0, pkt_id = 2>}
      aie.next_bd ^x
    ^end:
      aie.end
    }""".replace("KEEP", keep)
    for tile, id in (("t3", 3), ("t4", 4)):
        text += buffer(f"b_{tile}", tile, words) + lock(f"f_{tile}", tile, 0, 1) + lock(f"u_{tile}", tile, 1, 0)
        sent = f"%b_{tile} : {words}, 0, 8) {{packet = #aie.packet_info<pkt_type = 0, pkt_id = {id}>}}"
        text += f"%mem_{tile} = aie.mem(%{tile}) {{"
        text += looping(0, "S2MM, 0", f"f_{tile}", f"%b_{tile} : {words}, 0, 8", f"u_{tile}")
        text += looping(1, "MM2S, 0", f"u_{tile}", sent.removesuffix(")"), f"f_{tile}").replace("})", "}")
        text += "\naie.end\n}\n"
    return text


@pytest.mark.parametrize("seed", SEEDS)
def test_packets_fan_out_and_in(seed: int | None) -> None:
    """Which of the two comes first at the shim is left open, but each arrives whole."""
    b = np.zeros(32, np.int32)
    text = (
        packets()
        + """
    aie.shim_dma_allocation @to(%s, S2MM, 0)
    aie.runtime_sequence(%b: memref<32xi32>) {
      aiex.set_lock(%go, 2)
      """
        + memcpy("to", "b", 32, 0, token=True)
        + "aiex.npu.dma_wait {symbol = @to}\n}"
    )
    Simulator(design(text), Options(seed=seed)).run(None, [b])
    rows = sorted(map(tuple, b.reshape(4, 8).tolist()))
    assert rows == sorted([tuple(range(1, 9)), (11,) * 8] * 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_packets_that_keep_their_header(seed: int | None) -> None:
    b = np.zeros(18, np.int32)
    text = (
        packets("{keep_pkt_header = true}")
        + """
    aie.shim_dma_allocation @to(%s, S2MM, 0)
    aie.runtime_sequence(%b: memref<18xi32>) {
      aiex.set_lock(%go, 1)
      """
        + memcpy("to", "b", 18, 0, token=True)
        + "aiex.npu.dma_wait {symbol = @to}\n}"
    )
    Simulator(design(text), Options(seed=seed)).run(None, [b])
    found = {tuple(row[1:]): row[0] & 0xFFFFFFFF for row in b.reshape(2, 9).tolist()}
    one, two = found[tuple(range(1, 9))], found[(11,) * 8]
    assert (one & 0x1F, two & 0x1F) == (3, 4)
    assert (one >> 16 & 0x1F, two >> 16 & 0x1F) == (3, 4)  # the rows of the senders
    assert all(bin(word).count("1") % 2 == 1 for word in (one, two))


@pytest.mark.parametrize(("words", "stalls"), [(9, False), (10, True)])
def test_a_stream_holds_eight_words_and_no_more(words: int, stalls: bool) -> None:
    """Packets to one channel wait in front of those to another: the core takes the first when it has the others."""
    a, b, r = numbers(words), numbers(4), np.zeros(1, np.int32)
    text = (
        buffer("ba", "t2", "memref<1xi32>") + buffer("bb", "t2", "memref<4xi32>") + buffer("sum", "t2", "memref<1xi32>")
    )
    names = [("fa", 1), ("ua", 0), ("fb", 1), ("ub", 0), ("fs", 1), ("us", 0)]
    text += "".join(lock(name, "t2", i, init) for i, (name, init) in enumerate(names))
    text += """
    aie.packet_flow(0) { aie.packet_source<%s, DMA : 0> aie.packet_dest<%t2, DMA : 0> }
    aie.packet_flow(1) { aie.packet_source<%s, DMA : 0> aie.packet_dest<%t2, DMA : 1> }
    aie.flow(%t2, DMA : 0, %s, DMA : 0)
    aie.shim_dma_allocation @res(%s, S2MM, 0)
    %mem = aie.mem(%t2) {"""
    text += looping(0, "S2MM, 0", "fa", "%ba : memref<1xi32>, 0, 1", "ua")
    text += looping(1, "S2MM, 1", "fb", "%bb : memref<4xi32>, 0, 4", "ub")
    text += looping(2, "MM2S, 0", "us", "%sum : memref<1xi32>, 0, 1", "fs") + "\naie.end\n}\n"
    text += f"""
    %core = aie.core(%t2) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %zero = arith.constant 0 : i32
      %words = arith.constant {words} : index
      aie.use_lock(%ub, AcquireGreaterEqual, 1)
      %first = scf.for %i = %c0 to %c4 step %c1 iter_args(%x = %zero) -> (i32) {{
        %v = memref.load %bb[%i] : memref<4xi32>
        %y = arith.addi %x, %v : i32
        scf.yield %y : i32
      }}
      %all = scf.for %i = %c0 to %words step %c1 iter_args(%x = %first) -> (i32) {{
        aie.use_lock(%ua, AcquireGreaterEqual, 1)
        %v = memref.load %ba[%c0] : memref<1xi32>
        %y = arith.addi %x, %v : i32
        aie.use_lock(%fa, Release, 1)
        scf.yield %y : i32
      }}
      aie.use_lock(%fs, AcquireGreaterEqual, 1)
      memref.store %all, %sum[%c0] : memref<1xi32>
      aie.use_lock(%us, Release, 1)
      aie.end
    }}
    aie.runtime_sequence(%a: memref<{words}xi32>, %b: memref<4xi32>, %r: memref<1xi32>) {{
      %k0 = aiex.dma_configure_task(%s, S2MM, 0) {{
        aie.dma_bd(%r : memref<1xi32>, 0, 1)
        aie.end
      }} {{issue_token = true}}
      %k1 = aiex.dma_configure_task(%s, MM2S, 0) {{
        aie.dma_bd(%a : memref<{words}xi32>, 0, {words}) {{packet = #aie.packet_info<pkt_type = 0, pkt_id = 0>}}
        aie.end
      }}
      %k2 = aiex.dma_configure_task(%s, MM2S, 0) {{
        aie.dma_bd(%b : memref<4xi32>, 0, 4) {{packet = #aie.packet_info<pkt_type = 0, pkt_id = 1>}}
        aie.end
      }}
      aiex.dma_start_task(%k0)
      aiex.dma_start_task(%k1)
      aiex.dma_start_task(%k2)
      aiex.dma_await_task(%k0)
    }}"""
    if stalls:
        with pytest.raises(
            DeadlockError, match=r"shim tile \(0, 0\) MM2S 0 is stalled with the BD of argument 0 \(a\)"
        ):
            simulate(text, a, b, r)
    else:
        simulate(text, a, b, r)
        assert r[0] == (a.sum() + b.sum()).astype(np.int32)
