"""What is wrong with a core, and where: one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernelrt.npu.design import Buffer, Core, Lock
from kernelrt.npu.errors import DesignError, SimulationError
from kernelrt.npu.fifo import Fifo, FifoEnd
from kernelrt.npu.hardware import Tile
from kernelrt.npu.jit.compile import compile_core
from kernelrt.npu.jit.core import CompiledCore
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place
from tests.npu.jit.harness import compiled

RUNTIME = Path(__file__).resolve().parents[3] / "runtime"
PREAMBLE = """func.func private @kernel(memref<4xf32>)
func.func private @loop() {
  func.call @loop() : () -> ()
  return
}"""
FIFO = {"of": "memref<16xi32>"}


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        ("%x = arith.addi %y, %y : i32", "10:21", "use of undeclared SSA value name"),
        ("\n  %x = arith.nonsense 1 : i32", "11:8", "custom op 'arith.nonsense' is unknown"),
        ("\n%x = arith.constant 1 : i32\n%y = arith.addi %x, %x : i8", "12:17", "use of value '%x' expects"),
        ("%x = aievec.add %a, %b : vector<16xi32>", "10:10", "Dialect `aievec' not found for custom op 'aievec.add'"),
        ("aie.use_lock(%l, Acquire, 1) aie.event(0) %x = arith.what", "10:52", "custom op 'arith.what' is unknown"),
        ("// aie.nothing here\naie.wire(%l)", "11:1", "aie.wire has no place in a core; known are aie.use_lock,"),
        ("aie.use_lock(%l, Grab, 1)", "10:22", "aie.use_lock: expected Acquire, AcquireGreaterEqual or Release"),
        ("aie.use_lock(%b, Acquire, 1)\n", "10:5", "aie.use_lock: %b is no lock of the device"),
        ("aie.objectfifo.release @no(Consume, 1)", "10:5", "the design has no objectfifo @no"),
        ("aie.objectfifo.release @of Consume, 1)", "10:32", "aie.objectfifo.release: expected `(`"),
        (
            "%s = aie.objectfifo.acquire @of(Consume, 1) : !aie.objectfifosubview<memref<8xi32>>\n"
            "%o = aie.objectfifo.subview.access %s[0] : !aie.objectfifosubview<memref<8xi32>> -> memref<8xi32>",
            "11:6",
            "objects of @of are memref<16xi32> (line 2), not memref<8xi32>",
        ),
        ("func.call @kernel(%b) : (memref<4xf32>) -> ()", "10:5", "@kernel is only declared: the simulator cannot run"),
        ("func.call @loop() : () -> ()", "10:5", "@loop calls itself"),
        ("func.call @missing() : () -> ()", "10:5", "'func.call' op 'missing' does not reference a valid function"),
        ("%m = memref.alloc() : memref<4xf32>", "10:10", "a core has no heap for memref.alloc"),
        ("%m = memref.alloca() : memref<400xf32>", "10:5", "memref.alloca take 1600 bytes of a stack of 1024"),
        ("aie.put_cascade(%b : memref<4xf32>)", "10:5", ""),
        ("%v = aie.get_cascade() : vector<8xi32>", "10:10", "vector<8xi32>: this moves 512 bits"),
        ("%c = memref.load %b[] : memref<4xf32>", "10:10", "'memref.load' op invalid number of indices"),
    ],
)  # fmt: skip
def test_the_place_and_the_reason(body: str, where: str, problem: str) -> None:
    names = {"%l": ("lock", "l"), "%b": ("buffer", "b")}
    with pytest.raises(DesignError) as caught:
        compiled(f"{body}\naie.end", {"b": "memref<4xf32>"}, FIFO, preamble=PREAMBLE, names=names)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"test.mlir:{where}: {problem}")


def test_the_body_without_end_is_missing_its_terminator() -> None:
    with pytest.raises(DesignError, match=r"test.mlir:10:11: block with no terminator"):
        compiled("%c0 = arith.constant 0 : index")


@pytest.mark.parametrize(
    ("package", "missing"),
    [("iree", "iree-base-compiler"), ("iree.compiler", "iree-base-compiler"), ("llvmlite", "llvmlite")],
)
def test_a_missing_package_is_named(package: str, missing: str) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r}); sys.modules[{package!r}] = None\n"
        "from kernelrt.npu.design import Core\n"
        "from kernelrt.npu.hardware import Tile\n"
        "from kernelrt.npu.place import Place\n"
        "from kernelrt.npu.errors import NpuError\n"
        "from kernelrt.npu.jit.compile import compile_core\n"
        "try: compile_core(Core(Tile(0, 2), 'aie.end', {}, '', 1024, None, Place(1, 1)), {}, {}, {}, 'f')\n"
        "except NpuError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"needs the Python package '{missing}'" in done.stdout, done.stderr
    assert done.stdout.strip().endswith("pip install 'kernelrt[sim]'")


def test_importing_the_package_loads_no_compiler() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r}); import kernelrt.npu.jit.compile\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'iree', 'llvmlite', 'greenlet', 'xdsl'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def compiled_with(buffer: str, fifo: str, lock: str, line: int) -> CompiledCore:
    tile, type_ = Tile(0, 2), Memref("i32", (4,))
    end = FifoEnd(tile, 1, (), (), None)
    body = f"""
    %c9 = arith.constant 9 : index
    %s = aie.objectfifo.acquire @{fifo}(Produce, 1) : !aie.objectfifosubview<memref<4xi32>>
    %o = aie.objectfifo.subview.access %s[0] : !aie.objectfifosubview<memref<4xi32>> -> memref<4xi32>
    aie.use_lock(%{lock}, Release, 1)
    %v = memref.load %{buffer}[%c9] : memref<4xi32>
    memref.store %v, %o[%c9] : memref<4xi32>
    aie.end"""
    names = {f"%{buffer}": ("buffer", buffer), f"%{lock}": ("lock", lock)}
    return compile_core(
        Core(tile, body, names, "", 1024, None, Place(line, 1)),
        {buffer: Buffer(buffer, tile, type_, None, None, Place(1, 1))},
        {fifo: Fifo(fifo, type_, end, (end,), False, 1, (), Place(1, 1))},
        {lock: Lock(lock, tile, 0, 0, Place(1, 1))} if lock != "gone" else {},
        "f.mlir",
    )


def test_the_same_program_is_compiled_once_whatever_its_names() -> None:
    first, second = compiled_with("b0", "of0", "lock0", 5), compiled_with("b1", "of1", "lock1", 105)
    assert first._keep is second._keep  # the code
    assert first.counters is not second.counters
    assert (first.buffers, second.buffers) == (("b0",), ("b1",))
    assert [site.name for site in first.calls] == ["of0", "of0", "lock0"]
    assert [site.name for site in second.calls] == ["of1", "of1", "lock1"]
    assert [site.where.line for site in first.calls] == [7, 8, 9]
    assert [site.where.line for site in second.calls] == [107, 108, 109]
    with pytest.raises(SimulationError, match=r"f.mlir:110:10: index 9 of dimension 0 is outside of buffer b1 "):
        second.run([0], lambda site, argument: 0)


def test_a_lock_that_the_design_does_not_have() -> None:
    with pytest.raises(DesignError, match=r"f.mlir:9:5: the design has no lock gone"):
        compiled_with("b", "of", "gone", 5)
