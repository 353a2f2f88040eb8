"""What a core's program uses of the device around it, against plain Python."""

import numpy as np

from tests.npu.jit.harness import compiled, no_call, run

CONSTANTS = "".join(f"%c{n} = arith.constant {n} : index\n" for n in (0, 1, 2, 3, 4, 8))


def result(body: str, preamble: str = "") -> list[int]:
    """What a body stores to %out : memref<8xi32>."""
    out = np.zeros(8, np.int32)
    run(CONSTANTS + body, preamble, out=("memref<8xi32>", out))
    return out.tolist()


def test_functions_of_the_device_are_part_of_the_program() -> None:
    preamble = """
    func.func private @twice(%x: i32) -> i32 {
      %r = arith.addi %x, %x : i32
      return %r : i32
    }
    func.func @put(%m: memref<8xi32>, %i: index, %x: i32) {
      %y = func.call @twice(%x) : (i32) -> i32
      %c4 = arith.constant 4 : index
      %b = arith.cmpi ult, %i, %c4 : index
      cf.cond_br %b, ^store, ^done
    ^store:
      memref.store %y, %m[%i] : memref<8xi32>
      cf.br ^done
    ^done:
      return
    }
    func.func private @never_called(memref<8xi32>)
    """
    body = """scf.for %i = %c0 to %c8 step %c1 {
      %n = arith.index_cast %i : index to i32
      func.call @put(%out, %i, %n) : (memref<8xi32>, index, i32) -> ()
    }"""
    assert result(body, preamble) == [0, 2, 4, 6, 0, 0, 0, 0]


def test_constant_tables_of_the_device() -> None:
    preamble = 'memref.global "private" constant @table : memref<4xi32> = dense<[5, 6, 7, 8]>'
    body = """%t = memref.get_global @table : memref<4xi32>
    %v = memref.load %t[%c2] : memref<4xi32>
    memref.store %v, %out[%c0] : memref<8xi32>"""
    assert result(body, preamble)[0] == 7


def test_memory_of_the_program_is_each_cores_own() -> None:
    preamble = 'memref.global "private" @state : memref<1xi32> = dense<1>'
    body = """%t = memref.get_global @state : memref<1xi32>
    %v = memref.load %t[%c0] : memref<1xi32>
    %w = arith.addi %v, %v : i32
    memref.store %w, %t[%c0] : memref<1xi32>
    memref.store %w, %out[%c0] : memref<8xi32>"""
    assert result(body, preamble)[0] == 2
    assert result(body, preamble)[0] == 2


def test_aliases_and_outer_constants() -> None:
    out = np.zeros(8, np.int32)
    core = compiled(
        """affine.for %i = 0 to 2 {
          %k = affine.apply #third(%i)
          memref.store %v, %out[%k] : !line
        }
        memref.store %v, %out[%where] : !line
        aie.end""",
        {"out": "memref<8xi32>"},
        preamble="#third = affine_map<(d) -> (d * 3 + 1)>\n!line = memref<8xi32>",
        names={
            "%out": ("buffer", "out"),
            "%v": ("constant", "%v = arith.constant 4 : i32"),
            "%where": ("constant", "%where = arith.constant 7 : index"),
            "%elsewhere": ("constant", "%elsewhere = arith.constant 7 : index"),
        },
    )
    core.run([out.ctypes.data], no_call)
    assert out.tolist() == [0, 4, 0, 0, 4, 0, 0, 4]


def test_scalars_in_software() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal(4).astype(np.float32)
    out = np.zeros(4, np.float32)
    run(
        CONSTANTS
        + """
        %a = memref.load %source[%c0] : memref<4xf32>
        %b = memref.load %source[%c1] : memref<4xf32>
        %q = arith.divf %a, %b : f32
        %s = math.absf %q : f32
        %r = math.sqrt %s : f32
        memref.store %r, %out[%c0] : memref<4xf32>
        %e = math.exp2 %a : f32
        %l = math.log2 %e : f32
        memref.store %l, %out[%c1] : memref<4xf32>
        %f = math.floor %b : f32
        memref.store %f, %out[%c2] : memref<4xf32>
        %n = arith.negf %a : f32
        memref.store %n, %out[%c3] : memref<4xf32>""",
        source=("memref<4xf32>", values),
        out=("memref<4xf32>", out),
    )
    assert out[0] == np.sqrt(np.abs(values[0] / values[1]))
    assert abs(out[1] - values[0]) < 1e-6
    assert out[2] == np.floor(values[1])
    assert out[3] == -values[0]
