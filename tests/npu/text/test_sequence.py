"""Runtime sequences: loops unrolled, tasks numbered, registers read."""

import pytest

from kernelrt.npu.bd import Dim, LockUse
from kernelrt.npu.hardware import Tile
from kernelrt.npu.instructions import (
    Argument,
    AwaitTask,
    ConfigureTask,
    FreeTask,
    Instruction,
    RtpWrite,
    RuntimeSequence,
    SetLock,
    StartTask,
    Sync,
    Write32,
)
from kernelrt.npu.memref import Memref
from kernelrt.npu.text.load import load
from tests.npu.text import programs, programs_host

SHIM, CORE2 = Tile(0, 0), Tile(0, 2)


@pytest.fixture(scope="module")
def main() -> RuntimeSequence:
    return load(programs_host.SEQUENCE, "s.mlir").sequences[0]


def tasks(sequence: RuntimeSequence) -> list[ConfigureTask]:
    return [found for found in sequence.instructions if isinstance(found, ConfigureTask)]


def test_arguments_keep_their_names_and_types(main: RuntimeSequence) -> None:
    x, y = Argument("x", Memref("i32", (256,))), Argument("y", Memref("i32", (256,)))
    assert main.name == "main"
    assert main.arguments == (x, Argument("rtp_", Memref("bf16", (8, 64))), y)


def test_an_argument_named_like_a_buffer_is_told_apart() -> None:
    body = '%t = aie.tile(0, 2)\n%b = aie.buffer(%t) {sym_name = "x"} : memref<4xi32>\n'
    design = load(programs.device(body + "aie.runtime_sequence(%x: memref<4xi32>) {}"), "s.mlir")
    assert [argument.name for argument in design.sequences[0].arguments] == ["%x"]


def test_memcpy_is_a_task_that_starts_at_once(main: RuntimeSequence) -> None:
    task, start = main.instructions[:2]
    assert isinstance(task, ConfigureTask)
    assert start == StartTask(0, task.where)
    assert (task.channel, task.repeat, task.issue_token) == ((SHIM, "MM2S", 0), 0, False)
    (bd,) = task.bds
    assert (bd.buffer, bd.offset, bd.length, bd.dims, bd.packet, bd.id) == ("x", 32, 16, (), 3, 2)


def test_the_fourth_dimension_of_memcpy_repeats(main: RuntimeSequence) -> None:
    stepped, again = tasks(main)[1:3]
    assert stepped.bds[0].dims == (Dim(4, 64), Dim(2, 32), Dim(2, 8), Dim(4, 1))
    assert (stepped.bds[0].offset, stepped.bds[0].length, stepped.repeat) == (8, 64, 0)
    assert (again.bds[0].dims, again.bds[0].length, again.repeat) == ((), 16, 1)


def test_what_comes_out_of_the_array_issues_a_token(main: RuntimeSequence) -> None:
    assert [task.issue_token for task in tasks(main)[:3]] == [False, True, True]


def test_a_task_iterates_over_its_outermost_dimension(main: RuntimeSequence) -> None:
    task = tasks(main)[3]
    assert (task.bds[0].dims[0], task.bds[0].length, task.repeat) == (Dim(4, 64), 64, 0)
    assert (task.bds[0].packet, task.issue_token) == (9, True)


def test_a_task_is_a_chain_of_bds(main: RuntimeSequence) -> None:
    task = tasks(main)[4]
    assert task.channel == (SHIM, "MM2S", 1)
    assert [(bd.offset, bd.length, bd.id, bd.next) for bd in task.bds] == [(64, 64, 7, 1), (128, 64, None, None)]


def test_a_bd_chain_takes_arguments(main: RuntimeSequence) -> None:
    on, at = tasks(main)[5:]
    assert (on.channel, [bd.buffer for bd in on.bds]) == ((SHIM, "S2MM", 1), ["y", "x"])
    assert (at.channel, [bd.buffer for bd in at.bds]) == ((SHIM, "MM2S", 1), ["x", "x"])


def test_tasks_are_started_awaited_and_freed_by_number(main: RuntimeSequence) -> None:
    kinds = (AwaitTask, FreeTask)
    assert [(type(found), found.task) for found in main.instructions if isinstance(found, kinds)] == [
        (AwaitTask, 3),
        (FreeTask, 4),
        (AwaitTask, 5),
    ]
    assert [found.task for found in main.instructions if isinstance(found, StartTask)] == [0, 1, 2, 3, 4, 5, 6]


def test_waits_name_a_channel(main: RuntimeSequence) -> None:
    assert [found.channel for found in main.instructions if isinstance(found, Sync)] == [(SHIM, "S2MM", 0)] * 2


def test_words_are_written_to_buffers_locks_and_tiles(main: RuntimeSequence) -> None:
    writes = [found for found in main.instructions if isinstance(found, RtpWrite)]
    assert [(found.buffer, found.index, found.value) for found in writes] == [
        ("rtp", 0, 50),
        ("rtp", 1, 0xFFFFFFFF),
        ("rtp", 2, 9),
        ("rtp", 1, 10),
        ("rtp", 2, 32),
    ]
    assert [(found.lock, found.value) for found in main.instructions if isinstance(found, SetLock)] == [
        ("gate", 5),
        ("gate", 1),
    ]
    (raw,) = (found for found in main.instructions if isinstance(found, Write32))
    assert (raw.tile, raw.address, raw.value, raw.mask) == (CORE2, 0x7000, 0x12, 0xFF)


def test_loops_are_unrolled() -> None:
    loops = load(programs_host.SEQUENCE, "s.mlir").sequences[1]
    assert [(task.bds[0].offset, task.bds[0].length) for task in tasks(loops)] == [
        (0, 8),
        (8, 8),
        (16, 8),
        (68, 4),
        (68, 4),
    ]


def test_a_shim_bd_is_read_from_its_registers() -> None:
    task = tasks(load(programs_host.REGISTERS, "r.mlir").sequences[0])[0]
    assert (task.channel, task.issue_token, task.repeat) == ((SHIM, "MM2S", 1), True, 0)
    (bd,) = task.bds
    assert (bd.buffer, bd.offset, bd.length) == ("y", 4, 32)
    assert bd.dims == (Dim(2, 32), Dim(4, 8), Dim(4, 1))


def test_a_compute_tiles_bd_is_read_from_its_registers() -> None:
    task = tasks(load(programs_host.REGISTERS, "r.mlir").sequences[0])[1]
    (bd,) = task.bds
    assert task.channel == (CORE2, "S2MM", 0)
    assert (bd.buffer, bd.offset, bd.length, bd.next) == ("b", 8, 16, 0)
    assert (bd.acquire, bd.release) == (LockUse("acq", "ge", 1), LockUse("rel", "release", 1))


def body(instructions: str) -> tuple[Instruction, ...]:
    """The instructions of a sequence with a task on either channel of a shim tile."""
    text = f"%t = aie.tile(0, 0)\naie.runtime_sequence(%x: memref<64xi32>) {{\n{instructions}\n}}"
    return load(programs.device(text), "s.mlir").sequences[0].instructions


def test_the_newer_spelling_with_operands_means_the_same() -> None:
    old = """aiex.npu.sync {channel = 1 : i32, column = 0 : i32, column_num = 1 : i32,
                            direction = 1 : i32, row = 0 : i32, row_num = 1 : i32}"""
    new = """%0 = arith.constant 0 : i32
             %1 = arith.constant 1 : i32
             aiex.npu.sync(%0, %0, %1, %1, %1, %1) : i32, i32, i32, i32, i32, i32"""
    (one,), (two,) = body(old), body(new)
    assert isinstance(one, Sync)
    assert isinstance(two, Sync)
    assert one.channel == two.channel == (SHIM, "MM2S", 1)


def test_a_task_may_be_carried_through_a_loop() -> None:
    found = body("""
%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%c2 = arith.constant 2 : index
%first = aiex.dma_configure_task(%t, MM2S, 0) { aie.dma_bd(%x : memref<64xi32>, 0, 4) aie.end } {issue_token = true}
%last = scf.for %i = %c0 to %c2 step %c1 iter_args(%before = %first) -> (index) {
  %next = aiex.dma_configure_task(%t, MM2S, 0) { aie.dma_bd(%x : memref<64xi32>, 4, 4) aie.end } {issue_token = true}
  aiex.dma_free_task(%before)
  scf.yield %next : index
}
aiex.dma_await_task(%last)
""")
    assert [(type(one), one.task) for one in found if isinstance(one, FreeTask | AwaitTask)] == [
        (FreeTask, 0),
        (FreeTask, 1),
        (AwaitTask, 2),
    ]


def test_a_branch_is_taken_by_its_constant() -> None:
    found = body("""
%yes = arith.constant true
scf.if %yes {
  aiex.npu.write32 {address = 4 : ui32, column = 0 : i32, row = 0 : i32, value = 1 : ui32}
} else {
  aiex.npu.write32 {address = 8 : ui32, column = 0 : i32, row = 0 : i32, value = 1 : ui32}
}
""")
    assert [one.address for one in found if isinstance(one, Write32)] == [4]
