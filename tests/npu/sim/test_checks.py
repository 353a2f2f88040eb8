"""What the hardware leaves undefined is an error, with its place. The parser refuses some of it before: those designs
are changed after they are loaded."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from kernelrt.npu.bd import Bd
from kernelrt.npu.design import Channel, Design
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.hardware import Tile
from kernelrt.npu.instructions import AwaitTask, ConfigureTask, FreeTask, Instruction, StartTask, Write32
from kernelrt.npu.place import Place
from kernelrt.npu.sim.machine import Options, Simulator
from tests.npu.sim.designs import SEEDS, add_one, core, design, each, fifo, get, memcpy, put, sequence, whole, worker

SMALL = "memref<16xi32>"
ENDS = fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + worker("t2", 16)
RUN = sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("in", whole("a", 64)), ("out", whole("b", 64)))
OUT = sequence("%b: memref<64xi32>", ("out", whole("b", 64)))


def fails(found: Design | str, message: str, poison: bool = False, arrays: int = 2) -> None:
    """The same error in every order."""
    loaded = design(found) if isinstance(found, str) else found
    for seed in SEEDS:
        options, given = Options(seed=seed, poison=poison, limit_s=20), [np.zeros(64, np.int32) for _ in range(arrays)]
        with pytest.raises(SimulationError, match=message) as caught:
            Simulator(loaded, options).run(None, given)
        assert "\n" not in str(caught.value)


def with_bds(loaded: Design, change: Callable[[Bd], Bd]) -> Design:
    """The design with every BD of its sequence changed."""
    (found,) = loaded.sequences
    instructions = tuple(
        replace(i, bds=tuple(change(bd) for bd in i.bds)) if isinstance(i, ConfigureTask) else i
        for i in found.instructions
    )
    return replace(loaded, sequences=(replace(found, instructions=instructions),))


def memory_tile(first: int, second: int, sent: int) -> str:
    """Two BDs fill a buffer of 64 words with `first` and `second` words, a third sends `sent` of them."""
    return f"""
    %box = aie.buffer(%m) {{sym_name = "box"}} : memref<64xi32>
    %full = aie.lock(%m, 0) {{init = 0 : i32, sym_name = "full"}}
    aie.flow(%s, DMA : 0, %m, DMA : 0)
    aie.flow(%m, DMA : 0, %s, DMA : 0)
    aie.shim_dma_allocation @in(%s, MM2S, 0)
    aie.shim_dma_allocation @out(%s, S2MM, 0)
    %dma = aie.memtile_dma(%m) {{
      %d0 = aie.dma_start(S2MM, 0, ^a, ^next)
    ^a:
      aie.dma_bd(%box : memref<64xi32>, 0, {first})
      aie.use_lock(%full, Release, 1)
      aie.next_bd ^b
    ^b:
      aie.dma_bd(%box : memref<64xi32>, 32, {second})
      aie.use_lock(%full, Release, 1)
      aie.next_bd ^done
    ^done:
      aie.end
    ^next:
      %d1 = aie.dma_start(MM2S, 0, ^c, ^end)
    ^c:
      aie.use_lock(%full, AcquireGreaterEqual, 2)
      aie.dma_bd(%box : memref<64xi32>, 0, {sent})
      aie.next_bd ^done
    ^end:
      aie.end
    }}
    aie.runtime_sequence(%a: memref<64xi32>, %b: memref<64xi32>) {{
      {memcpy("in", "a", 64, 0, first + second)}
      {memcpy("out", "b", 64, 1, sent, token=True)}
      aiex.npu.dma_wait {{symbol = @out}}
    }}"""


def test_memory_that_nothing_wrote() -> None:
    fails(
        memory_tile(32, 28, 64), r"test.mlir:\d+:\d+: memory tile \(0, 1\) MM2S 0 reads bytes 240 to 256 of box, which"
    )
    fails(memory_tile(24, 32, 64), r"reads bytes 96 to 128 of box, which nothing wrote before")
    a, b = np.arange(64, dtype=np.int32), np.zeros(64, np.int32)
    Simulator(design(memory_tile(32, 32, 64))).run(None, [a, b])
    np.testing.assert_array_equal(a, b)


def test_a_cores_buffer_that_it_did_not_fill_shows_when_memory_is_poisoned() -> None:
    lazy = fifo("out", "%t2, {%s}", SMALL)
    body = [get("out", "Produce", SMALL), each(12, f"memref.store %one, %out[%i] : {SMALL}"), put("out", "Produce")]
    text = lazy + core("t2", "\n".join(body)) + OUT
    Simulator(design(text)).run(None, [np.zeros(64, np.int32)])
    fails(text, r"compute tile \(0, 2\) MM2S 0 reads bytes 48 to 64 of out\[0\], which nothing wrote", True, 1)


def test_a_core_that_reads_what_nothing_wrote_shows_when_memory_is_poisoned() -> None:
    text = f'%x = aie.buffer(%t2) {{sym_name = "x"}} : {SMALL}\n' + fifo("out", "%t2, {%s}", SMALL)
    first = "memref.store %one, %x[%c0] : " + SMALL
    text += core("t2", "\n".join([first, get("out", "Produce", SMALL), add_one("x", "out", 16), put("out", "Produce")]))
    Simulator(design(text + OUT)).run(None, [np.zeros(64, np.int32)])
    message = r"test.mlir:\d+:\d+: after this: core \(0, 2\) reads bytes 4 to 8 of x, which nothing wrote before"
    fails(text + OUT, message, True, 1)


def test_a_bd_outside_of_its_buffer() -> None:
    wider = with_bds(design(ENDS + RUN), lambda bd: replace(bd, offset=4) if bd.buffer == "a" else bd)
    fails(wider, r"test.mlir:\d+:\d+: the BD reads bytes 16 to 272 of argument 0 \(a\), which has 256: check offset")
    loaded = design(memory_tile(32, 32, 64))
    channels = tuple(replace(c, bds=tuple(replace(bd, offset=40) for bd in c.bds)) for c in loaded.channels)
    fails(replace(loaded, channels=channels), r"the BD writes bytes 160 to 288 of box, which has 256")


def test_a_bd_of_no_length() -> None:
    nothing = with_bds(design(ENDS + RUN), lambda bd: replace(bd, length=0) if bd.buffer == "a" else bd)
    fails(nothing, "has length 0: nothing would move, without end")


def test_a_lock_above_63() -> None:
    text = '%go = aie.lock(%t2, 3) {init = 60 : i32, sym_name = "go"}\n' + fifo("out", "%t2, {%s}", SMALL)
    text += core("t2", "aie.use_lock(%go, Release, 3)", rounds=2) + OUT
    fails(text, r"core \(0, 2\) releases go by 3 to 66: a lock holds at most 63", arrays=1)


def test_a_fifo_released_without_being_acquired() -> None:
    text = (
        fifo("out", "%t2, {%s}", SMALL)
        + core("t2", get("out", "Produce", SMALL) + each(2, put("out", "Produce")))
        + OUT
    )
    fails(text, r"core \(0, 2\) releases 1 objects of out and holds 0: acquire them first", arrays=1)


def test_an_object_used_after_its_release() -> None:
    held = f"!aie.objectfifosubview<{SMALL}>"
    body = f"""%view = aie.objectfifo.acquire @in(Consume, 1) : {held}
        {put("in", "Consume")}
        %in = aie.objectfifo.subview.access %view[0] : {held} -> {SMALL}
        {get("out", "Produce", SMALL)}
        memref.copy %in, %out : {SMALL} to {SMALL}
        {put("out", "Produce")}"""
    text = fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + core("t2", body) + RUN
    fails(text, r"core \(0, 2\) uses object 0 of in, which it has released")


def test_a_task_awaited_without_a_token() -> None:
    loaded = design(ENDS + RUN)
    (found,) = loaded.sequences
    instructions = (*found.instructions, AwaitTask(0, Place(9, 7)))
    silent = replace(loaded, sequences=(replace(found, instructions=instructions),))
    fails(silent, r"test.mlir:9:7: the task at test.mlir:\d+:\d+ is awaited and issues no token: configure it with")


def before(loaded: Design, *instructions: Instruction) -> Design:
    """The design with instructions in front of those of its sequence."""
    (found,) = loaded.sequences
    return replace(loaded, sequences=(replace(found, instructions=(*instructions, *found.instructions)),))


def test_more_tasks_than_bds() -> None:
    reads = Bd("a", 0, 4, (), (), None, None, None, None, None, Place(3, 3))
    tasks = [ConfigureTask(100 + n, (Tile(0, 0), "MM2S", 1), (reads,), 0, False, Place(n, 1)) for n in range(1, 18)]
    fails(
        before(design(ENDS + RUN), *tasks),
        r"test.mlir:17:1: shim tile \(0, 0\) has no BD left for this task: await and",
    )
    freed = [i for task in tasks for i in (task, FreeTask(task.task, task.where))]
    Simulator(before(design(ENDS + RUN), *freed)).run(None, [np.zeros(64, np.int32)] * 2)


def test_a_task_started_when_its_bds_are_anothers() -> None:
    reads = Bd("a", 0, 4, (), (), None, None, None, 9, None, Place(3, 3))
    one, two = (ConfigureTask(n, (Tile(0, 0), "MM2S", 1), (reads,), 0, False, Place(n, 1)) for n in (100, 101))
    late = before(design(ENDS + RUN), one, two, StartTask(100, Place(7, 7)))
    fails(late, r"test.mlir:7:7: the BDs of the task at test.mlir:100:1 were given to another task")


def test_a_channel_that_leads_nowhere() -> None:
    loaded = design(memory_tile(32, 32, 64))
    stray = Bd("box", 0, 16, (), (), None, None, None, None, None, Place(5, 5))
    filled = tuple(replace(b, initial=bytes(256)) for b in loaded.buffers)
    extra = Channel(Tile(0, 1), "MM2S", 5, (stray,), 0, Place(4, 4))
    lost = replace(loaded, buffers=filled, channels=(*loaded.channels, extra))
    fails(lost, r"test.mlir:5:5: memory tile \(0, 1\) MM2S 5 has a BD to send, and no flow leaves it")


def test_a_core_that_leaves_its_object() -> None:
    wrong = worker("t2", 16).replace("%out[%i]", "%out[%far]")
    wrong = wrong.replace(
        "%old = memref.load", "%c4 = arith.constant 4 : index\n%far = arith.addi %i, %c4 : index\n%old = memref.load"
    )
    text = fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + wrong + RUN
    fails(text, r"test.mlir:\d+:\d+: ")


@pytest.mark.parametrize(
    ("address", "mask", "message"),
    [
        (0x32000, 0xFFFFFFFF, r"address 0x32000 of compute tile \(0, 2\) is neither a lock nor its memory"),
        (0x1DE00, 0x2, "resets and pauses are not simulated"),
        (0x1F010, 0xFFFFFFFF, r"the design has no lock with id 1 in compute tile \(0, 2\)"),
        (0xF000, 0xFFFFFFFF, r"no buffer of compute tile \(0, 2\) is placed at address 0xf000"),
    ],
)
def test_registers_that_are_not_simulated(address: int, mask: int, message: str) -> None:
    fails(before(design(ENDS + RUN), Write32(Tile(0, 2), address, 3, mask, Place(8, 8))), "test.mlir:8:8: .*" + message)


def test_whose_name_a_channels_tokens_carry_changes_nothing() -> None:
    a, b = np.arange(64, dtype=np.int32), np.zeros(64, np.int32)
    Simulator(before(design(ENDS + RUN), Write32(Tile(0, 2), 0x1DE00, 0x200, 0xF00, Place(8, 8)))).run(None, [a, b])
    np.testing.assert_array_equal(b, a + 1)
