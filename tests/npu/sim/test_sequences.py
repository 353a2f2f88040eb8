"""Runtime sequences: tasks, queues, tokens, run-time parameters, registers."""

import numpy as np
import pytest

from kernelrt.npu.errors import SimulationError
from kernelrt.npu.sim.machine import Options, Simulator
from tests.npu.sim.designs import (
    SEEDS,
    core,
    design,
    each,
    fifo,
    get,
    memcpy,
    numbers,
    put,
    sequence,
    simulate,
    whole,
    worker,
)

SMALL = "memref<16xi32>"
ENDS = fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + worker("t2", 16)


def test_a_chain_of_bds_and_a_repeat() -> None:
    """One task reads rows 3 and 1 with two BDs, and does so three times."""
    a, b = numbers(64), np.zeros(96, np.int32)
    text = (
        ENDS
        + """
    aie.runtime_sequence(%a: memref<64xi32>, %b: memref<96xi32>) {
      %in = aiex.dma_configure_task_for @in {
        aie.dma_bd(%a : memref<64xi32>, 48, 16)
        aie.next_bd ^other
      ^other:
        aie.dma_bd(%a : memref<64xi32>, 16, 16)
        aie.end
      } {repeat_count = 2 : i32}
      %out = aiex.dma_configure_task_for @out { aie.dma_bd(%b : memref<96xi32>, 0, 96) aie.end } {issue_token = true}
      aiex.dma_start_task(%in)
      aiex.dma_start_task(%out)
      aiex.dma_await_task(%out)
    }"""
    )
    simulate(text, a, b)
    np.testing.assert_array_equal(b.reshape(3, 2, 16), np.stack([[a[48:], a[16:32]]] * 3) + 1)


def test_shim_dimensions_with_a_repeating_outermost() -> None:
    a, b = numbers(64), np.zeros(128, np.int32)
    read = "%a[0, 0, 0, 0][2, 2, 4, 8][0, 32, 8, 1]"
    text = (
        ENDS
        + f"""
    aie.runtime_sequence(%a: memref<64xi32>, %b: memref<128xi32>) {{
      aiex.npu.dma_memcpy_nd({read}) {{metadata = @in, id = 0 : i64}} : memref<64xi32>
      {memcpy("out", "b", 128, 1, token=True)}
      aiex.npu.dma_wait {{symbol = @out}}
    }}"""
    )
    simulate(text, a, b)
    np.testing.assert_array_equal(b, np.concatenate([a, a]) + 1)


def test_more_tasks_than_the_queue_holds() -> None:
    """The host waits for room, as the code that the compiler makes does."""
    a, b = numbers(12 * 16), np.zeros(12 * 16, np.int32)
    tasks = [("out", whole("b", 192)), *(("in", whole("a", 16, offset=16 * i, total=192)) for i in range(12))]
    simulate(ENDS + sequence("%a: memref<192xi32>, %b: memref<192xi32>", *tasks, awaits=[0]), a, b)
    np.testing.assert_array_equal(b, a + 1)


def test_tasks_on_the_channels_of_other_tiles() -> None:
    """A memory tile that only the sequence programs, with locks between its channels; pieces land in another order."""
    a, b = numbers(64), np.zeros(64, np.int32)
    pieces = "\n".join(
        f"""%w{i} = aiex.dma_configure_task(%m, S2MM, 0) {{
        aie.use_lock(%free, AcquireGreaterEqual, 1)
        aie.dma_bd(%box : memref<64xi32>, {offset}, 16)
        aie.use_lock(%full, Release, 1)
        aie.end
      }}
      aiex.dma_start_task(%w{i})"""
        for i, offset in enumerate((32, 0, 48, 16))
    )
    text = (
        '%box = aie.buffer(%m) {sym_name = "box"} : memref<64xi32>\n'
        '%free = aie.lock(%m, 0) {init = 4 : i32, sym_name = "free"}\n'
        '%full = aie.lock(%m, 1) {init = 0 : i32, sym_name = "full"}\n'
        "aie.flow(%s, DMA : 0, %m, DMA : 0)\naie.flow(%m, DMA : 0, %s, DMA : 0)\n"
        f"""
    aie.runtime_sequence(%a: memref<64xi32>, %b: memref<64xi32>) {{
      {pieces}
      %r = aiex.dma_configure_task(%m, MM2S, 0) {{
        aie.use_lock(%full, AcquireGreaterEqual, 4)
        aie.dma_bd(%box : memref<64xi32>, 0, 64)
        aie.use_lock(%free, Release, 4)
        aie.end
      }}
      %in = aiex.dma_configure_task(%s, MM2S, 0) {{ aie.dma_bd(%a : memref<64xi32>, 0, 64) aie.end }}
      %out = aiex.dma_configure_task(%s, S2MM, 0) {{
        aie.dma_bd(%b : memref<64xi32>, 0, 64)
        aie.end
      }} {{issue_token = true}}
      aiex.dma_start_task(%r)
      aiex.dma_start_task(%in)
      aiex.dma_start_task(%out)
      aiex.dma_await_task(%out)
    }}"""
    )
    simulate(text, a, b)
    np.testing.assert_array_equal(b.reshape(4, 16), a.reshape(4, 16)[[1, 3, 0, 2]])


PARAMETER = (
    '%rtp = aie.buffer(%t2) {sym_name = "rtp"} : memref<4xi32> = dense<0>\n'
    + fifo("out", "%t2, {%s}", SMALL)
    + core(
        "t2",
        f"""{get("out", "Produce", SMALL)}
        aie.use_lock(%go, AcquireGreaterEqual, 1)
        %v = memref.load %rtp[%c1] : memref<4xi32>
        {each(16, f"memref.store %v, %out[%i] : {SMALL}")}
        {put("out", "Produce")}""",
    ).replace("%core_t2", '%go = aie.lock(%t2, 15) {init = 0 : i32, sym_name = "go"}\n%core_t2', 1)
)


@pytest.mark.parametrize(
    "start",
    [
        "aiex.npu.rtp_write(@rtp, 1, 42)\naiex.set_lock(%go, 1)",
        "aiex.npu.write32 {row = 2 : i32, column = 0 : i32, buffer = @rtp, address = 1 : ui32, value = 42 : ui32}\n"
        "aiex.npu.write32 {row = 2 : i32, column = 0 : i32, address = 0x1F0F0 : ui32, value = 1 : ui32}",
    ],
    ids=["names", "addresses"],
)
def test_run_time_parameters_and_locks_from_the_host(start: str) -> None:
    b = np.zeros(16, np.int32)
    out = sequence("%b: memref<16xi32>", ("out", whole("b", 16))).replace("{\n", "{\n" + start + "\n", 1)
    simulate(PARAMETER + out, b)
    np.testing.assert_array_equal(b, np.full(16, 42))


def test_a_bd_that_is_given_again_too_early() -> None:
    """Where only time decides whether the DMA is done with it, a warning; where it cannot be done, an error."""
    n = 512
    a, b, memref = numbers(n), np.zeros(n, np.int32), f"memref<{n}xi32>"

    write = memcpy("out", "b", n, 1, token=True)
    reads = memcpy("in", "a", n, 3, n // 2) + memcpy("in", "a", n, 3, n // 2, at=n // 2)
    head = ENDS + f"aie.runtime_sequence(%a: {memref}, %b: {memref}) {{\n"
    tail = "aiex.npu.dma_wait {symbol = @out}\n}"
    in_time = write + reads
    report = simulate(head + in_time + tail, a, b)
    np.testing.assert_array_equal(b, a + 1)
    (warning,) = report.warnings
    assert "overwrites BD 3 of shim tile (0, 0)" in warning
    too_early = reads + write
    for seed in SEEDS:
        with pytest.raises(SimulationError, match=r"test.mlir:\d+:\d+: this task overwrites BD 3 .* still uses it"):
            Simulator(design(head + too_early + tail), Options(seed=seed)).run(None, [a, b])


def test_data_that_still_moves_when_the_sequence_ends_is_a_warning() -> None:
    a, b = numbers(64), np.zeros(64, np.int32)
    reads = ("in", whole("a", 32, total=64))
    text = ENDS + sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("out", whole("b", 64)), reads)
    text = text.replace("issue_token = true", "").replace("aiex.dma_await_task(%task1)", "")
    report = simulate(text, a, b)
    (warning,) = report.warnings
    assert "still moves data of the host: await it" in warning
    np.testing.assert_array_equal(b[:32], a[:32] + 1)


def test_objects_that_are_never_released_leave_the_rest_of_the_input_unread() -> None:
    """A core that holds an object and acquires one has it already: it goes on with the same one."""
    a, b = numbers(64), np.zeros(64, np.int32)
    text = ENDS.replace(put("in", "Consume"), "")
    report = simulate(
        text + sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("in", whole("a", 64)), ("out", whole("b", 64))), a, b
    )
    np.testing.assert_array_equal(b.reshape(4, 16), np.stack([a[:16] + 1] * 4))
    assert len(report.warnings) == 1
