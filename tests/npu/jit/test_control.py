"""Control flow, memory and functions, against plain Python."""

import numpy as np
import pytest

from tests.npu.jit.harness import run

CONSTANTS = "".join(f"%c{n} = arith.constant {n} : index\n" for n in (0, 1, 2, 3, 4, 8))


def result(body: str) -> list[int]:
    """What a body stores to %out : memref<8xi32>."""
    out = np.zeros(8, np.int32)
    run(CONSTANTS + body, out=("memref<8xi32>", out))
    return out.tolist()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(
            """scf.for %i = %c0 to %c8 step %c2 {
              %n = arith.index_cast %i : index to i32
              memref.store %n, %out[%i] : memref<8xi32>
            }""",
            [0, 0, 2, 0, 4, 0, 6, 0],
            id="scf.for with a step",
        ),
        pytest.param(
            """%z = arith.constant 0 : i32
            %s = scf.for %i = %c0 to %c4 step %c1 iter_args(%a = %z) -> (i32) {
              %t = scf.for %j = %c0 to %i step %c1 iter_args(%b = %a) -> (i32) {
                %n = arith.index_cast %j : index to i32
                %u = arith.addi %b, %n : i32
                scf.yield %u : i32
              }
              scf.yield %t : i32
            }
            memref.store %s, %out[%c1] : memref<8xi32>""",
            [0, 4, 0, 0, 0, 0, 0, 0],
            id="nested loops with carried values",
        ),
        pytest.param(
            """%a = arith.constant 1 : i32
            %b = arith.constant 7 : i32
            %s = arith.constant 3 : i32
            scf.for %i = %a to %b step %s : i32 {
              %k = arith.index_cast %i : i32 to index
              memref.store %i, %out[%k] : memref<8xi32>
            }""",
            [0, 1, 0, 0, 4, 0, 0, 0],
            id="a loop over i32",
        ),
        pytest.param(
            """scf.for %i = %c0 to %c8 step %c1 {
              %b = arith.cmpi ult, %i, %c3 : index
              %v = scf.if %b -> (i32) {
                %n = arith.index_cast %i : index to i32
                scf.yield %n : i32
              } else {
                %m = arith.constant -1 : i32
                scf.yield %m : i32
              }
              memref.store %v, %out[%i] : memref<8xi32>
            }""",
            [0, 1, 2, -1, -1, -1, -1, -1],
            id="scf.if with results",
        ),
        pytest.param(
            """%one = arith.constant 1 : i32
            %two = arith.constant 2 : i32
            %limit = arith.constant 100 : i32
            %r = scf.while (%x = %one) : (i32) -> i32 {
              %c = arith.cmpi slt, %x, %limit : i32
              scf.condition(%c) %x : i32
            } do {
            ^bb0(%y: i32):
              %n = arith.muli %y, %two : i32
              scf.yield %n : i32
            }
            memref.store %r, %out[%c0] : memref<8xi32>""",
            [128, 0, 0, 0, 0, 0, 0, 0],
            id="scf.while",
        ),
        pytest.param(
            """%i1 = arith.constant 1 : i32
            affine.for %i = 0 to 8 {
              affine.for %j = affine_map<(d) -> (d)>(%i) to 8 step 2 {
                %v = affine.load %out[%j] : memref<8xi32>
                %w = arith.addi %v, %i1 : i32
                affine.store %w, %out[%j] : memref<8xi32>
              }
            }""",
            [1, 1, 2, 2, 3, 3, 4, 4],
            id="affine",
        ),
        pytest.param(
            """cf.br ^loop(%c0 : index)
            ^loop(%i: index):
              %n = arith.index_cast %i : index to i32
              memref.store %n, %out[%i] : memref<8xi32>
              %j = arith.addi %i, %c1 : index
              %m = arith.cmpi ult, %j, %c8 : index
              cf.cond_br %m, ^loop(%j : index), ^done
            ^done:""",
            [0, 1, 2, 3, 4, 5, 6, 7],
            id="blocks and branches",
        ),
        pytest.param(
            """scf.for %i = %c0 to %c4 step %c1 {
              %v = scf.index_switch %i -> i32
              case 1 { %a = arith.constant 10 : i32
                scf.yield %a : i32 }
              case 3 { %a = arith.constant 30 : i32
                scf.yield %a : i32 }
              default { %a = arith.constant -5 : i32
                scf.yield %a : i32 }
              memref.store %v, %out[%i] : memref<8xi32>
            }""",
            [-5, 10, -5, 30, 0, 0, 0, 0],
            id="scf.index_switch",
        ),
        pytest.param(
            """%half = memref.subview %out[4] [4] [1] : memref<8xi32> to memref<4xi32, strided<[1], offset: 4>>
            %v = arith.constant 9 : i32
            memref.store %v, %half[%c1] : memref<4xi32, strided<[1], offset: 4>>
            %start = memref.subview %out[0] [4] [1] : memref<8xi32> to memref<4xi32, strided<[1]>>
            memref.copy %half, %start : memref<4xi32, strided<[1], offset: 4>> to memref<4xi32, strided<[1]>>""",
            [0, 9, 0, 0, 0, 9, 0, 0],
            id="subview and copy",
        ),
        pytest.param(
            """%odd = memref.subview %out[1] [4] [2] : memref<8xi32> to memref<4xi32, strided<[2], offset: 1>>
            %v = arith.constant 3 : i32
            linalg.fill ins(%v : i32) outs(%odd : memref<4xi32, strided<[2], offset: 1>>)""",
            [0, 3, 0, 3, 0, 3, 0, 3],
            id="linalg on a strided view",
        ),
        pytest.param(
            """scf.for %i = %c0 to %c8 step %c1 {
              %t = memref.alloca() : memref<2xi32>
              %n = arith.index_cast %i : index to i32
              memref.store %n, %t[%c1] : memref<2xi32>
              %v = memref.load %t[%c1] : memref<2xi32>
              memref.store %v, %out[%i] : memref<8xi32>
            }""",
            [0, 1, 2, 3, 4, 5, 6, 7],
            id="memory of the stack in a loop",
        ),
        pytest.param(
            """%square = memref.expand_shape %out [[0, 1]] output_shape [2, 4] : memref<8xi32> into memref<2x4xi32>
            %v = arith.constant 6 : i32
            memref.store %v, %square[%c1, %c2] : memref<2x4xi32>
            %flat = memref.collapse_shape %square [[0, 1]] : memref<2x4xi32> into memref<8xi32>
            memref.store %v, %flat[%c1] : memref<8xi32>
            %other = memref.reinterpret_cast %out to offset: [0], sizes: [4, 2], strides: [2, 1]
              : memref<8xi32> to memref<4x2xi32, strided<[2, 1]>>
            memref.store %v, %other[%c2, %c0] : memref<4x2xi32, strided<[2, 1]>>""",
            [0, 6, 0, 0, 6, 0, 6, 0],
            id="other shapes of the same memory",
        ),
    ],
)
def test_control_and_memory(body: str, wanted: list[int]) -> None:
    assert result(body) == wanted
