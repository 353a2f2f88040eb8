"""Cores on stacks of their own: taking turns, ending early, waiting for memory."""

import gc

import numpy as np
import pytest
from greenlet import GreenletExit, getcurrent, greenlet

from tests.npu.jit.harness import compiled

COUNTING = """
%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%n = arith.constant 1000000 : index
%one = arith.constant 1 : i32
scf.for %i = %c0 to %n step %c1 {
  aie.use_lock(%l, Acquire, 1)
  %v = memref.load %m[%c0] : memref<1xi32>
  %w = arith.addi %v, %one : i32
  memref.store %w, %m[%c0] : memref<1xi32>
}
aie.end
"""


def test_cores_take_turns_in_greenlets() -> None:
    """Many cores, each on its own native stack, switched at every call."""
    cores = [compiled(COUNTING, {"m": "memref<1xi32>"}) for _ in range(8)]
    memory = np.zeros((8, 1), np.int32)
    home = getcurrent()

    def call(site: int, argument: int) -> int:
        home.switch()
        return 0

    threads = [greenlet(core.run) for core in cores]
    for number, thread in enumerate(threads):
        thread.switch([memory[number].ctypes.data], call)
    for turn in range(1, 51):
        for number, thread in enumerate(threads):
            thread.switch()
            assert memory[number, 0] == turn
        if turn % 10 == 0:
            gc.collect()
    for thread in threads:
        thread.throw(GreenletExit)  # leaves through the native frames
    assert all(thread.dead for thread in threads)
    assert memory.ravel().tolist() == [50] * 8


def test_an_error_of_the_machine_ends_the_core_and_is_raised() -> None:
    core = compiled(COUNTING, {"m": "memref<1xi32>"})
    memory = np.zeros(1, np.int32)
    calls: list[int] = []

    def call(site: int, argument: int) -> int:
        calls.append(site)
        if len(calls) == 4:
            raise KeyError("the machine's own error")
        return 0

    with pytest.raises(KeyError, match="the machine's own error"):
        core.run([memory.ctypes.data], call)
    assert len(calls) == 4
    assert memory[0] == 3
    core.run([memory.ctypes.data], lambda site, argument: 0)  # and it can be run again
    assert memory[0] == 3 + 1000000


@pytest.mark.parametrize(
    "loop",
    [
        """scf.while : () -> () {
          %v = memref.load %m[%c0] : memref<1xi32>
          %c = arith.cmpi eq, %v, %zero : i32
          scf.condition(%c)
        } do {
          scf.yield
        }""",
        """cf.br ^wait
        ^wait:
          %v = memref.load %m[%c0] : memref<1xi32>
          %c = arith.cmpi eq, %v, %zero : i32
          cf.cond_br %c, ^wait, ^done
        ^done:""",
    ],
)
def test_a_loop_that_waits_for_memory_lets_the_machine_go_on(loop: str) -> None:
    core = compiled(
        f"%c0 = arith.constant 0 : index\n%zero = arith.constant 0 : i32\n{loop}\naie.end", {"m": "memref<1xi32>"}
    )
    memory, looks = np.zeros(1, np.int32), list[str]()

    def call(site: int, argument: int) -> int:
        looks.append(core.calls[site].kind)
        if len(looks) == 3:
            memory[0] = 1
        return 0

    core.run([memory.ctypes.data], call)
    assert looks == ["spin"] * 3


def test_the_machines_own_arithmetic_has_denormals() -> None:
    core = compiled("aie.use_lock(%l, Acquire, 1)\naie.end")
    found: list[float] = []

    def call(site: int, argument: int) -> int:
        found.append(float((np.array([1e-40], np.float32) * np.float32(0.5))[0]))
        return 0

    core.run([], call)
    assert found[0] > 0
