"""A machine over several runs, the arrays it works on, and the choice of a sequence."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kernelrt.errors import InputError
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.sim.machine import Simulator
from tests.npu.sim.designs import core, design, each, fifo, get, numbers, put, sequence, whole, worker

SMALL = "memref<16xi32>"
ENDS = fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + worker("t2", 16)


def test_a_machine_goes_on_where_it_was() -> None:
    """Between two runs cores stay where they wait: a sum over all objects goes on; a reset starts anew."""
    total = '%sum = aie.buffer(%t2) {sym_name = "sum"} : memref<1xi32> = dense<0>\n'
    add = each(
        16,
        f"""%x = memref.load %in[%i] : {SMALL}
        %s0 = memref.load %sum[%c0] : memref<1xi32>
        %s1 = arith.addi %s0, %x : i32
        memref.store %s1, %sum[%c0] : memref<1xi32>
        memref.store %s1, %out[%i] : {SMALL}""",
    )
    body = [get("in", "Consume", SMALL), get("out", "Produce", SMALL), add, put("in", "Consume"), put("out", "Produce")]
    text = total + fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL) + core("t2", "\n".join(body))
    text += sequence("%a: memref<32xi32>, %b: memref<32xi32>", ("in", whole("a", 32)), ("out", whole("b", 32)))
    machine = Simulator(design(text))
    a, b = np.arange(32, dtype=np.int32), np.zeros(32, np.int32)
    first = machine.run(None, [a, b])
    np.testing.assert_array_equal(b, np.cumsum(a))
    second = machine.run(None, [a, b])
    np.testing.assert_array_equal(b, np.cumsum(a) + a.sum())
    assert first.counts == second.counts
    machine.reset()
    assert machine.run(None, [a, b]).cycles == first.cycles
    np.testing.assert_array_equal(b, np.cumsum(a))


def test_it_works_in_the_arrays_own_memory() -> None:
    """What the design reads while it runs is what stands in the array then: output and input may be one array."""
    both = np.arange(64, dtype=np.int32)
    text = ENDS + sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("in", whole("a", 64)), ("out", whole("b", 64)))
    memory = np.zeros(4096, np.uint8)
    inside = memory[128 : 128 + 256].view(np.int32)
    inside[:] = both
    Simulator(design(text)).run(None, [inside, inside])
    np.testing.assert_array_equal(memory[128 : 128 + 256].view(np.int32), both + 1)
    assert not memory[:128].any()
    assert not memory[128 + 256 :].any()


def test_all_runs_belong_in_one_thread() -> None:
    text = ENDS + sequence("%a: memref<16xi32>, %b: memref<16xi32>", ("in", whole("a", 16)), ("out", whole("b", 16)))
    machine = Simulator(design(text))
    a, b = numbers(16), np.zeros(16, np.int32)
    with ThreadPoolExecutor(1) as other:
        for _ in range(2):
            other.submit(machine.run, None, [a, b]).result()
            np.testing.assert_array_equal(b, a + 1)
    with pytest.raises(SimulationError, match="ran in another thread before"):
        machine.run(None, [a, b])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([np.zeros(64, np.int32)], r"takes 2 arguments \(a: memref<64xi32>, b: memref<64xi32>\), and 1 are given"),
        (
            [np.zeros(64, np.int32), np.zeros(32, np.int32)],
            r"argument 1 \(b\) is memref<64xi32>: .* not of shape \(32,\)",
        ),
        ([np.zeros(64, np.float32), np.zeros(64, np.int32)], r"argument 0 \(a\) .* dtype int32 or uint32, .* float32"),
        ([np.zeros(128, np.int32)[::2], np.zeros(64, np.int32)], r"argument 0 \(a\) is not contiguous"),
    ],
)
def test_arrays_that_do_not_fit(arrays: list[np.ndarray], message: str) -> None:
    text = ENDS + sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("in", whole("a", 64)), ("out", whole("b", 64)))
    with pytest.raises(InputError, match=message):
        Simulator(design(text)).run(None, arrays)


def test_one_of_several_sequences() -> None:
    one = sequence("%a: memref<16xi32>, %b: memref<16xi32>", ("in", whole("a", 16)), ("out", whole("b", 16)))
    machine = Simulator(design(ENDS + one.replace("(", " @one(", 1) + one.replace("(", " @two(", 1)))
    a, b = numbers(16), np.zeros(16, np.int32)
    machine.run("two", [a, b])
    np.testing.assert_array_equal(b, a + 1)
    for wrong in (None, "three"):
        with pytest.raises(InputError, match="it has one, two"):
            machine.run(wrong, [a, b])
