"""What the hardware leaves undefined ends a run with the place; what is proved costs nothing."""

import numpy as np
import pytest

from kernelrt.npu.errors import SimulationError
from tests.npu.jit.harness import compiled, no_call

INDEX = "%n = memref.load %in[%c0] : memref<1xi32>\n%i = arith.index_cast %n : i32 to index"
CONSTANTS = "%c0 = arith.constant 0 : index\n%c1 = arith.constant 1 : index\n%c4 = arith.constant 4 : index"
BUFFERS = {
    "in": "memref<1xi32>",
    "a": "memref<16xi32>",
    "b": "memref<4x8xf32>",
    "guard": "memref<64xi32>",
}


def attempt(body: str, index: int) -> np.ndarray:
    """Runs a body with %i from memory; `a` and `b` are 1, 2, ... in one piece of memory. Gives that memory."""
    core = compiled(f"{CONSTANTS}\n{INDEX}\n{body}\naie.end", BUFFERS)
    memory = np.arange(1, 16 + 32 + 64 + 1, dtype=np.int32)
    start = np.array([index], np.int32)
    at = {
        "in": start.ctypes.data,
        "a": memory.ctypes.data,
        "b": memory[16:].ctypes.data,
        "guard": memory[48:].ctypes.data,
    }
    core.run([at[name] for name in core.buffers], no_call)
    return memory


@pytest.mark.parametrize(
    ("body", "good", "bad", "problem"),
    [
        ("%v = memref.load %a[%i] : memref<16xi32>\nmemref.store %v, %a[%c0] : memref<16xi32>", 15, 16,
         "index 16 of dimension 0 is outside of buffer a (memref<16xi32>)"),
        ("%v = memref.load %a[%i] : memref<16xi32>\nmemref.store %v, %a[%c0] : memref<16xi32>", 0, -1,
         "index -1 of dimension 0 is outside of buffer a (memref<16xi32>)"),
        ("memref.store %n, %a[%i] : memref<16xi32>", 15, 16,
         "index 16 of dimension 0 is outside of buffer a (memref<16xi32>)"),
        ("%v = memref.load %b[%i, %c4] : memref<4x8xf32>\nmemref.store %v, %b[%c0, %c0] : memref<4x8xf32>", 3, 4,
         "index 4 of dimension 0 is outside of buffer b (memref<4x8xf32>)"),
        ("%v = vector.load %a[%i] : memref<16xi32>, vector<8xi32>\n"
         "vector.store %v, %a[%c0] : memref<16xi32>, vector<8xi32>", 8, 9,
         "8 elements from 9 on in dimension 0 go beyond buffer a (memref<16xi32>)"),
        ("%v = vector.load %b[%i, %c4] : memref<4x8xf32>, vector<12xf32>\n"
         "vector.store %v, %b[%c0, %c0] : memref<4x8xf32>, vector<12xf32>",
         2, 3, "12 elements from 28 on of buffer b (memref<4x8xf32>) go beyond its end"),
        ("%p = arith.constant 0 : i32\n%v = vector.transfer_read %a[%i], %p : memref<16xi32>, vector<16xi32>\n"
         "vector.transfer_write %v, %a[%c0] : vector<16xi32>, memref<16xi32>",
         0, 1, "16 elements from 1 on in dimension 0 go beyond buffer a (memref<16xi32>)"),
        ("%p = arith.constant 0.0 : f32\n%v = vector.transfer_read %b[%c1, %i], %p {in_bounds = [true, true]}"
         " : memref<4x8xf32>, vector<2x4xf32>\n"
         "vector.transfer_write %v, %b[%c0, %c0] : vector<2x4xf32>, memref<4x8xf32>",
         4, 5, "4 elements from 5 on in dimension 1 go beyond buffer b (memref<4x8xf32>)"),
        ("%s = memref.subview %a[%i] [4] [2] : memref<16xi32> to memref<4xi32, strided<[2], offset: ?>>\n"
         "memref.store %n, %s[%c0] : memref<4xi32, strided<[2], offset: ?>>",
         9, 10, "7 elements from 10 on in dimension 0 go beyond buffer a (memref<16xi32>)"),
        ("affine.for %k = 0 to 4 {\naffine.store %n, %a[%k * 3 + symbol(%i)] : memref<16xi32>\n}", 6, 7,
         "index 16 of dimension 0 is outside of buffer a (memref<16xi32>)"),
        ("%q = arith.divsi %n, %n : i32\nmemref.store %q, %a[%c0] : memref<16xi32>", 5, 0,
         "division by zero, or of the lowest number by -1"),
        ("%s = vector.broadcast %n : i32 to vector<16xi32>\n%v = vector.load %a[%c0] : memref<16xi32>, vector<16xi32>\n"
         "%q = arith.remui %v, %s : vector<16xi32>\nvector.store %q, %a[%c0] : memref<16xi32>, vector<16xi32>", 3, 0,
         "division by zero, or of the lowest number by -1"),
        ("scf.for %k = %c0 to %c4 step %i {\n memref.store %n, %a[%k] : memref<16xi32>\n}", 1, 0,
         "a loop's step must be positive, not 0"),
    ],
)  # fmt: skip
def test_bad_accesses_end_the_run(body: str, good: int, bad: int, problem: str) -> None:
    before = np.arange(1, 16 + 32 + 64 + 1, dtype=np.int32)
    np.testing.assert_array_equal(attempt(body, good)[48:], before[48:])
    with pytest.raises(SimulationError) as caught:
        attempt(body, bad)
    file, line, column, *rest = str(caught.value).split(":")
    assert (file, ":".join(rest)) == ("test.mlir", f" {problem}")
    text = f"{CONSTANTS}\n{INDEX}\n{body}".splitlines()
    at = text[int(line) - 10][int(column) - 1 - (4 if int(line) == 10 else 0) :]
    assert at.startswith(("memref.", "vector.", "arith.", "affine.", "scf."))


def test_nothing_is_written_behind_a_bad_access() -> None:
    core = compiled(
        f"{CONSTANTS}\n{INDEX}\nmemref.store %n, %a[%i] : memref<16xi32>\n"
        "memref.store %n, %a[%c0] : memref<16xi32>\naie.end",
        BUFFERS,
    )
    start, memory = np.array([99], np.int32), np.zeros(16, np.int32)
    with pytest.raises(SimulationError):
        core.run([start.ctypes.data, memory.ctypes.data], no_call)
    assert not memory.any()


def test_an_object_of_a_fifo_is_named() -> None:
    core = compiled(
        """%c16 = arith.constant 16 : index
        %s = aie.objectfifo.acquire @data(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        %o = aie.objectfifo.subview.access %s[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
        %v = memref.load %o[%c16] : memref<16xi32>
        aie.debug(%v : i32)
        aie.end""",
        fifos={"data": "memref<16xi32>"},
    )
    memory = np.zeros(17, np.int32)
    with pytest.raises(SimulationError) as caught:
        core.run([], lambda site, argument: memory.ctypes.data)
    assert str(caught.value) == (
        "test.mlir:13:14: index 16 of dimension 0 is outside of an object of objectfifo @data (memref<16xi32>)"
    )


def test_a_function_reports_the_memory_that_it_was_given_a_type_of() -> None:
    core = compiled(
        f"{CONSTANTS}\n{INDEX}\nfunc.call @get(%a, %i) : (memref<16xi32>, index) -> ()\naie.end",
        BUFFERS,
        preamble="""func.func private @get(%m: memref<16xi32>, %i: index) {
          %v = memref.load %m[%i] : memref<16xi32>
          memref.store %v, %m[%i] : memref<16xi32>
          return
        }""",
    )
    memory, start = np.zeros(16, np.int32), np.array([20], np.int32)
    with pytest.raises(SimulationError, match=r"index 20 of dimension 0 is outside of the memref<16xi32>"):
        core.run([start.ctypes.data, memory.ctypes.data], no_call)


def test_loops_without_end_are_found_where_their_bounds_are_known() -> None:
    core = compiled(
        """%c0 = arith.constant 0 : index
        %n = memref.load %in[%c0] : memref<1xi64>
        %i = arith.index_cast %n : i64 to index
        %c1 = arith.constant 1 : index
        scf.for %k = %c0 to %i step %c1 {
          memref.store %n, %in[%c0] : memref<1xi64>
        }
        aie.end""",
        {"in": "memref<1xi64>"},
    )
    memory = np.array([2**40], np.int64)
    with pytest.raises(SimulationError, match=f"14:9: this loop would run {2**40} times"):
        core.run([memory.ctypes.data], no_call)


def test_the_programs_own_assertions() -> None:
    body = (
        '%ok = arith.cmpi ne, %i, %c4 : index\ncf.assert %ok, "not {four}"\nmemref.store %n, %a[%c0] : memref<16xi32>'
    )
    assert attempt(body, 3)[0] == 3
    with pytest.raises(SimulationError) as caught:
        attempt(body, 4)
    assert str(caught.value) == "test.mlir:16:1: the program's own assertion failed: not {four}"
