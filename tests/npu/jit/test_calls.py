"""Calls of the machine: what they say, what they get, and how they end a core."""

import ctypes

import numpy as np
import pytest

from kernelrt.npu.jit.site import CallSite
from tests.npu.jit.harness import Machine, compiled

FIFOS = {"in": "memref<16xi32>", "out": "memref<16xi32>"}
PASSTHROUGH = """
%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%max = arith.constant 9223372036854775807 : index
scf.for %n = %c0 to %max step %c1 {
  %si = aie.objectfifo.acquire @in(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
  %i = aie.objectfifo.subview.access %si[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
  %so = aie.objectfifo.acquire @out (Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
  %o = aie.objectfifo.subview.access %so[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
  %v = vector.load %i[%c0] : memref<16xi32>, vector<16xi32>
  %w = arith.addi %v, %v : vector<16xi32>
  vector.store %w, %o[%c0] : memref<16xi32>, vector<16xi32>
  aie.objectfifo.release @in(Consume, 1)
  aie.objectfifo.release @out(Produce, 1)
}
aie.end
"""


def signatures(sites: tuple[CallSite, ...]) -> list[tuple[str, str, str, int]]:
    return [(site.kind, site.name, site.port, site.value) for site in sites]


def test_an_endless_core_over_objectfifos_until_it_is_told_to_stop() -> None:
    core = compiled(PASSTHROUGH, fifos=FIFOS)
    assert signatures(core.calls) == [
        ("fifo_acquire", "in", "Consume", 1),
        ("fifo_access", "in", "Consume", 0),
        ("fifo_acquire", "out", "Produce", 1),
        ("fifo_access", "out", "Produce", 0),
        ("fifo_release", "in", "Consume", 1),
        ("fifo_release", "out", "Produce", 1),
    ]
    source = np.arange(48, dtype=np.int32).reshape(3, 16)
    target = np.zeros((3, 16), np.int32)
    taken: list[int] = []

    class Over(Exception):
        pass

    def call(site: int, argument: int) -> int:
        kind, name = core.calls[site].kind, core.calls[site].name
        if kind == "fifo_acquire" and name == "in":
            if len(taken) == 3:
                raise Over
            taken.append(argument)
            return 100 + len(taken) - 1  # what comes back as the argument of fifo_access
        if kind == "fifo_access" and name == "in":
            return source[argument - 100].ctypes.data
        if kind == "fifo_access":
            return target[len(taken) - 1].ctypes.data
        return 0

    with pytest.raises(Over):
        core.run([], call)
    assert taken == [1, 1, 1]
    np.testing.assert_array_equal(target, 2 * source)


@pytest.mark.parametrize(
    ("custom", "generic"),
    [
        (
            "aie.use_lock(%l, AcquireGreaterEqual, 2)",
            '"aie.use_lock"(%l) <{action = 2 : i32, value = 2 : i32}> : (index) -> ()',
        ),
        ('aie.use_lock(%l, "Acquire", 1)', '"aie.use_lock"(%l) {action = 0 : i32, value = 1 : i32} : (index) -> ()'),
        ("aie.use_lock(%l, Release) {blocking}", '"aie.use_lock"(%l) <{action = 1 : i32}> : (index) -> ()'),
        (
            "aie.objectfifo.release @in(Consume, 3)",
            '"aie.objectfifo.release"() <{objFifo_name = @in, port = 1 : i32, size = 3 : i32}> : () -> ()',
        ),
        ("aie.event(1)", '"aie.event"() <{val = 1 : i32}> : () -> ()'),
    ],
)
def test_both_spellings_of_an_operation_are_the_same(custom: str, generic: str) -> None:
    sites = [compiled(f"{text}\naie.end", fifos=FIFOS).calls for text in (custom, generic)]
    assert signatures(sites[0]) == signatures(sites[1])
    assert len(sites[0]) == 1


def test_the_generic_spelling_of_a_whole_body() -> None:
    body = """
    %c0 = "arith.constant"() <{value = 0 : index}> : () -> index
    %s = "aie.objectfifo.acquire"() <{objFifo_name = @in, port = 1 : i32, size = 2 : i32}>
      : () -> !aie.objectfifosubview<memref<16xi32>>
    %o = "aie.objectfifo.subview.access"(%s) <{index = 1 : i32}>
      : (!aie.objectfifosubview<memref<16xi32>>) -> memref<16xi32>
    %v = "memref.load"(%o, %c0) : (memref<16xi32>, index) -> i32
    "aie.debug"(%v) : (i32) -> ()
    "aie.end"() : () -> ()
    """
    core = compiled(body, fifos=FIFOS)
    data = np.full(16, -7, np.int32)
    machine = Machine(core, lambda site, _: data.ctypes.data if core.calls[site].kind == "fifo_access" else 5)
    core.run([], machine)
    assert machine.calls == [("fifo_acquire", "in", 2), ("fifo_access", "in", 5), ("event", "debug", -7)]


def test_locks_with_constant_and_computed_values() -> None:
    core = compiled(
        """aie.use_lock(%l, AcquireGreaterEqual, 2)
        %a = arith.constant 3 : i32
        %b = arith.addi %a, %a : i32
        aie.use_lock(%m, Release, %b)
        aie.use_lock(%l, Acquire, 0)
        aie.end"""
    )
    machine = Machine(core)
    core.run([], machine)
    assert machine.calls == [("lock_acquire_ge", "l", 2), ("lock_release", "m", 6), ("lock_acquire_eq", "l", 0)]


def test_cascades_and_streams_move_bytes() -> None:
    core = compiled(
        """%v = aie.get_cascade() : vector<16xi32>
        %w = arith.addi %v, %v : vector<16xi32>
        aie.put_cascade(%w : vector<16xi32>)
        %c1 = arith.constant 1 : i32
        %s = aie.get_stream(%c1 : i32) : i32
        %t = arith.addi %s, %c1 : i32
        aie.put_stream(%c1 : i32, %t : i32)
        aie.end"""
    )
    assert signatures(core.calls) == [
        ("cascade_get", "", "", 64),
        ("cascade_put", "", "", 64),
        ("stream_get", "1", "", 4),
        ("stream_put", "1", "", 4),
    ]
    given, sent = np.arange(16, dtype=np.int32), dict[str, bytes]()

    def call(site: int, argument: int) -> int:
        meaning = core.calls[site]
        if meaning.kind.endswith("get"):
            assert argument % 64 == 0
            ctypes.memmove(argument, given.ctypes.data, meaning.value)
        else:
            sent[meaning.kind] = ctypes.string_at(argument, meaning.value)
        return 0

    core.run([], call)
    np.testing.assert_array_equal(np.frombuffer(sent["cascade_put"], np.int32), 2 * given)
    assert np.frombuffer(sent["stream_put"], np.int32).tolist() == [1]


def test_memory_may_change_during_a_call() -> None:
    """What another tile or a DMA wrote while the core waited must be read again."""
    core = compiled(
        """%c0 = arith.constant 0 : index
        %a = memref.load %m[%c0] : memref<2xi32>
        aie.use_lock(%l, Acquire, 1)
        %b = memref.load %m[%c0] : memref<2xi32>
        %c1 = arith.constant 1 : index
        %d = arith.subi %b, %a : i32
        memref.store %d, %m[%c1] : memref<2xi32>
        aie.end""",
        {"m": "memref<2xi32>"},
    )
    memory = np.array([5, 0], np.int32)

    def call(site: int, argument: int) -> int:
        memory[0] = 12
        return 0

    core.run([memory.ctypes.data], call)
    assert memory.tolist() == [12, 7]
