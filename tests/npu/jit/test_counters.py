"""How often blocks run and what they cost."""

import numpy as np
import pytest

from kernelrt.npu.jit.core import CompiledCore
from tests.npu.jit.harness import compiled, no_call

CONSTANTS = "".join(f"%c{n} = arith.constant {n} : index\n" for n in (0, 1, 2, 4, 8))


def totals(core: CompiledCore) -> dict[str, int]:
    """Everything that was counted, summed over the blocks."""
    found: dict[str, int] = {}
    for block in core.costs:
        times = int(core.counters[block.counter]) * block.factor
        counted = {f"macs {dtype}": n for dtype, n in block.cost.macs.items()}
        for name in ("vector_ops", "scalar_ops", "float_ops", "loads", "stores", "load_bytes", "store_bytes"):
            counted[name] = getattr(block.cost, name)
        for name, n in counted.items():
            found[name] = found.get(name, 0) + n * times
    return {name: n for name, n in found.items() if n}


def run(body: str, buffers: dict[str, str], *values: int) -> CompiledCore:
    core = compiled(CONSTANTS + body + "\naie.end", buffers)
    memory = np.zeros(1024, np.int32)
    memory[: len(values)] = values
    core.run([memory.ctypes.data] * len(core.buffers), no_call)
    return core


@pytest.mark.parametrize(
    ("body", "times"),
    [
        ("STORE", 1),
        ("scf.for %i = %c0 to %c8 step %c2 {\nSTORE\n}", 4),
        ("scf.for %i = %c0 to %c4 step %c1 {\nscf.for %j = %c0 to %c8 step %c1 {\nSTORE\n}\n}", 32),
        ("scf.for %i = %c0 to %c4 step %c1 {\nscf.for %j = %c0 to %i step %c1 {\nSTORE\n}\n}", 6),
        ("scf.for %i = %c0 to %c0 step %c1 {\nSTORE\n}", 0),
        ("scf.for %i = %c4 to %c1 step %c1 {\nSTORE\n}", 0),
        ("scf.for %i = %c0 to %c8 step %c1 {\n%b = arith.cmpi ult, %i, %c2 : index\nscf.if %b {\nSTORE\n}\n}", 2),
        ("%t = scf.while (%k = %c0) : (index) -> index {\n%b = arith.cmpi ult, %k, %c4 : index\n"
         "scf.condition(%b) %k : index\n} do {\n^bb0(%k: index):\nSTORE\n%l = arith.addi %k, %c1 : index\n"
         "scf.yield %l : index\n}", 4),
        ("cf.br ^l(%c0 : index)\n^l(%k: index):\nSTORE\n%l = arith.addi %k, %c1 : index\n"
         "%b = arith.cmpi ult, %l, %c4 : index\ncf.cond_br %b, ^l(%l : index), ^e\n^e:", 4),
    ],
)  # fmt: skip
def test_blocks_are_counted(body: str, times: int) -> None:
    store = "%z = arith.constant 0 : i32\nmemref.store %z, %m[%c0] : memref<16xi32>"
    core = run(body.replace("STORE", store), {"m": "memref<16xi32>"})
    assert totals(core).get("store_bytes", 0) == 4 * times


def test_a_loop_with_calls_is_counted_as_far_as_it_came() -> None:
    core = compiled(
        CONSTANTS
        + """scf.for %i = %c0 to %c8 step %c1 {
          aie.use_lock(%l, Acquire, 1)
          scf.for %j = %c0 to %c4 step %c1 {
            %v = memref.load %m[%j] : memref<4xi32>
            memref.store %v, %m[%j] : memref<4xi32>
          }
        }
        aie.end""",
        {"m": "memref<4xi32>"},
    )
    memory, seen = np.zeros(4, np.int32), list[int]()

    def call(site: int, argument: int) -> int:
        seen.append(totals(core).get("load_bytes", 0))
        if len(seen) == 4:
            raise TimeoutError
        return 0

    with pytest.raises(TimeoutError):
        core.run([memory.ctypes.data], call)
    # what stands behind a call is counted behind it: it has not run while the call waits
    assert seen == [0, 16, 32, 48]
    assert len(core.counters) == 3


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            """%v = vector.load %a[%c0] : memref<64xbf16>, vector<32xbf16>
            %l = vector.shape_cast %v : vector<32xbf16> to vector<4x8xbf16>
            %r = vector.shape_cast %v : vector<32xbf16> to vector<8x4xbf16>
            %z = arith.constant dense<0.0> : vector<4x4xf32>
            %c = vector.contract {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>,
              affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"],
              kind = #vector.kind<add>} %l, %r, %z : vector<4x8xbf16>, vector<8x4xbf16> into vector<4x4xf32>
            %f = vector.shape_cast %c : vector<4x4xf32> to vector<16xf32>
            vector.store %f, %b[%c0] : memref<64xf32>, vector<16xf32>""",
            {"macs bf16": 128, "loads": 2, "load_bytes": 64, "stores": 2, "store_bytes": 64},
        ),
        (
            """%v = vector.load %a[%c0] : memref<64xbf16>, vector<16xbf16>
            %e = arith.extf %v : vector<16xbf16> to vector<16xf32>
            %p = arith.mulf %e, %e : vector<16xf32>
            %q = arith.addf %p, %p : vector<16xf32>
            vector.store %q, %b[%c0] : memref<64xf32>, vector<16xf32>""",
            {"macs bf16": 16, "vector_ops": 1, "loads": 1, "load_bytes": 32, "stores": 2, "store_bytes": 64},
        ),
        (
            """%v = vector.load %b[%c0] : memref<64xf32>, vector<32xf32>
            %p = arith.mulf %v, %v : vector<32xf32>
            %q = arith.subf %p, %v : vector<32xf32>
            vector.store %q, %b[%c0] : memref<64xf32>, vector<32xf32>""",
            {"macs f32": 32, "vector_ops": 2, "loads": 4, "load_bytes": 128, "stores": 4, "store_bytes": 128},
        ),
        (
            """%x = memref.load %b[%c0] : memref<64xf32>
            %y = arith.addf %x, %x : f32
            %i = arith.addi %c1, %c4 : index
            memref.store %y, %b[%i] : memref<64xf32>""",
            {"float_ops": 1, "scalar_ops": 1, "loads": 1, "load_bytes": 4, "stores": 1, "store_bytes": 4},
        ),
    ],
)
def test_costs(body: str, wanted: dict[str, int]) -> None:
    assert totals(run(body, {"a": "memref<64xbf16>", "b": "memref<64xf32>"})) == wanted


def test_the_place_of_a_block_is_that_of_its_first_operation() -> None:
    body = """%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
scf.for %i = %c0 to %c1 step %c1 {
  aie.event(0)
  %x = arith.addi %i, %i : index
}
aie.end"""
    core = compiled(body)
    places = [(block.where.line, block.where.column, block.depth) for block in core.costs]
    assert places == [(10, 11, 0), (13, 3, 1), (14, 8, 1)]  # an event may be where the core is left: a cut behind it
