"""Designs that stall: each is found at once, in every order, and the message says who waits for what."""

import numpy as np
import pytest

from kernelrt.npu.errors import DeadlockError
from kernelrt.npu.sim.machine import Options, Simulator
from tests.npu.sim.designs import SEEDS, core, design, each, fifo, get, memcpy, put, sequence, whole, worker

SMALL = "memref<16xi32>"
RUN = sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("in", whole("a", 64)), ("out", whole("b", 64)))


def stalls(body: str, *sizes: int) -> str:
    """The message; the same chain in every order."""
    loaded = design(body)
    messages: list[str] = []
    for seed in SEEDS:
        arrays = [np.zeros(size, np.int32) for size in sizes or (64, 64)]
        with pytest.raises(DeadlockError) as caught:
            Simulator(loaded, Options(seed=seed, limit_s=20)).run(None, arrays)
        messages.append(str(caught.value))
    assert len({message.split("; also")[0] for message in messages}) == 1, messages
    assert "\n" not in messages[0]
    return messages[0]


def test_two_cores_that_wait_for_each_other() -> None:
    text = fifo("x", "%t2, {%t3}", SMALL) + fifo("y", "%t3, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL)
    fill = each(16, f"memref.store %one, %out[%i] : {SMALL}")
    text += core(
        "t2",
        "\n".join(
            [
                get("y", "Consume", SMALL),
                get("x", "Produce", SMALL),
                put("x", "Produce"),
                put("y", "Consume"),
                get("out", "Produce", SMALL),
                fill,
                put("out", "Produce"),
            ]
        ),
    )
    text += core(
        "t3",
        "\n".join([get("x", "Consume", SMALL), get("y", "Produce", SMALL), put("y", "Produce"), put("x", "Consume")]),
    )
    message = stalls(text + sequence("%b: memref<64xi32>", ("out", whole("b", 64))), 64)
    assert message.startswith(
        "deadlock: the sequence @sequence waits for a token of shim tile (0, 0) S2MM 0 at test.mlir:"
    )
    assert "core (0, 2) waits for a full object of fifo y (its lock y.full needs 1, it is 0) at test.mlir:" in message
    assert "core (0, 3) waits for a full object of fifo x (its lock x.full needs 1, it is 0) at test.mlir:" in message
    assert "core (0, 2) again, a cycle" in message


def test_a_lock_that_nothing_releases() -> None:
    text = '%go = aie.lock(%t2, 3) {init = 1 : i32, sym_name = "go"}\n' + fifo("out", "%t2, {%s}", SMALL)
    body = ["aie.use_lock(%go, AcquireGreaterEqual, 2)", get("out", "Produce", SMALL), put("out", "Produce")]
    message = stalls(text + core("t2", "\n".join(body)) + sequence("%b: memref<16xi32>", ("out", whole("b", 16))), 16)
    assert "core (0, 2) waits for lock go (needs 2, it is 1) at test.mlir:" in message
    assert message.split("; also")[0].endswith("nothing that still runs releases go")


def test_a_core_that_ended() -> None:
    text = fifo("out", "%t2, {%s}", SMALL)
    body = [get("out", "Produce", SMALL), each(16, f"memref.store %one, %out[%i] : {SMALL}"), put("out", "Produce")]
    text += core("t2", "\n".join(body), rounds=3) + sequence("%b: memref<64xi32>", ("out", whole("b", 64)))
    message = stalls(text, 64)
    assert "shim tile (0, 0) S2MM 0 waits for 64 bytes more on (0, 0) DMA S2MM 0" in message
    assert "nothing that still runs releases out.full" in message


def test_a_core_whose_stream_nobody_reads() -> None:
    """The chain goes on at the core behind the stream's port, which waits for the sender."""
    text = "aie.flow(%t2, Core : 0, %t3, Core : 0)\n" + fifo("x", "%t2, {%t3}", SMALL) + fifo("out", "%t3, {%s}", SMALL)
    words = each(16, "aie.put_stream(%zero : i32, %one : i32)")
    sends = ["%zero = arith.constant 0 : i32", words, get("x", "Produce", SMALL), put("x", "Produce")]
    text += core("t2", "\n".join(sends))
    text += core("t3", "\n".join([get("x", "Consume", SMALL), get("out", "Produce", SMALL), put("out", "Produce")]))
    message = stalls(text + sequence("%b: memref<16xi32>", ("out", whole("b", 16))), 16)
    assert "core (0, 3) waits for a full object of fifo x" in message
    assert "core (0, 2) is stalled, for (0, 3) Core 0 takes no more: core (0, 3) again, a cycle" in message


def test_a_broadcast_that_one_consumer_does_not_take() -> None:
    """Both consumers get what either gets: one that stops stalls the other."""
    text = fifo("in", "%s, {%t2, %t3}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + worker("t2", 16)
    text += core("t3", "\n".join([get("in", "Consume", SMALL), put("in", "Consume")]), rounds=1)
    message = stalls(text + RUN)
    assert "is stalled with the BD of argument 0 (a), for (0, 3) DMA S2MM 0 takes no more" in message
    assert "compute tile (0, 3) S2MM 0 waits for a free object" in message or "lock in.1.free" in message


def test_a_token_that_never_comes() -> None:
    text = fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + worker("t2", 16)
    text += """aie.runtime_sequence(%a: memref<64xi32>, %b: memref<64xi32>) {
"""
    text += memcpy("out", "b", 64, 1, token=True) + memcpy("in", "a", 64, 0)
    text += "aiex.npu.dma_wait {symbol = @out}\n" * 2 + "}"
    message = stalls(text)
    assert message.split("; also")[0].endswith("it has no task that would issue a token")


def test_a_program_without_end_meets_the_limit() -> None:
    """A memory tile that plays ping-pong with itself, without any lock."""
    from kernelrt.npu.errors import SimulationError

    text = '%x = aie.buffer(%m) {sym_name = "x"} : memref<16xi32> = dense<1>\naie.flow(%m, DMA : 0, %m, DMA : 0)\n'
    text += (
        """%dma = aie.memtile_dma(%m) {
      %d0 = aie.dma_start(S2MM, 0, ^a, ^next)
    ^a:
      aie.dma_bd(%x : memref<16xi32>, 0, 16)
      aie.next_bd ^a
    ^next:
      %d1 = aie.dma_start(MM2S, 0, ^b, ^end)
    ^b:
      aie.dma_bd(%x : memref<16xi32>, 0, 16)
      aie.next_bd ^b
    ^end:
      aie.end
    }"""
        + fifo("out", "%t2, {%s}", SMALL)
        + sequence("%b: memref<16xi32>", ("out", whole("b", 16)))
    )
    with pytest.raises(SimulationError, match="the time limit passed"):
        Simulator(design(text), Options(limit_s=0.05)).run(None, [np.zeros(16, np.int32)])


POLLING = f"""
    %flag = aie.buffer(%t2) {{sym_name = "flag"}} : memref<1xi32> = dense<0>
    {fifo("out", "%t2, {%s}", SMALL)}
    %core = aie.core(%t2) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %zero = arith.constant 0 : i32
      %found = scf.while (%x = %zero) : (i32) -> (i32) {{
        %v = memref.load %flag[%c0] : memref<1xi32>
        %still = arith.cmpi eq, %v, %zero : i32
        scf.condition(%still) %v : i32
      }} do {{
      ^bb0(%v: i32):
        scf.yield %v : i32
      }}
      {get("out", "Produce", SMALL)}
      {each(16, f"memref.store %found, %out[%i] : {SMALL}")}
      {put("out", "Produce")}
      aie.end
    }}"""


def test_a_core_that_polls_its_memory() -> None:
    """It goes on when the host writes, and counts as blocked when nothing does."""
    out = sequence("%b: memref<16xi32>", ("out", whole("b", 16)))
    assert "core (0, 2) polls its memory, which nothing changes at test.mlir:" in stalls(POLLING + out, 16)
    b = np.zeros(16, np.int32)
    written = out.replace("{\n", "{\naiex.npu.rtp_write(@flag, 0, 5)\n", 1)
    Simulator(design(POLLING + written)).run(None, [b])
    np.testing.assert_array_equal(b, np.full(16, 5))
