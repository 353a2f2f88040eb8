"""Operations of the vector dialect, bit for bit against NumPy."""

import itertools

import numpy as np
import pytest

from tests.npu.jit.harness import bf16, f32, run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260102)


def contracted(a: np.ndarray, b: np.ndarray, c: np.ndarray, maps: tuple[str, str, str]) -> np.ndarray:
    """One product after the other, in the order of the reduction indices, rounded to the accumulator each time."""
    sizes = dict(zip(maps[0] + maps[1], a.shape + b.shape, strict=True))
    total = c.copy()
    summed = sorted((set(maps[0]) | set(maps[1])) - set(maps[2]))
    for indices in itertools.product(*(range(sizes[d]) for d in summed)):
        at = dict(zip(summed, indices, strict=True))
        left = a[tuple(at.get(d, slice(None)) for d in maps[0])]
        right = b[tuple(at.get(d, slice(None)) for d in maps[1])]
        kept = [[d for d in map_ if d not in at] for map_ in maps[:2]]
        total = total + np.einsum(f"{''.join(kept[0])},{''.join(kept[1])}->{maps[2]}", left, right)
    return total


@pytest.mark.parametrize(
    ("maps", "shapes"),
    [
        (("mk", "kn", "mn"), ("4x8", "8x4", "4x4")),
        (("mk", "nk", "mn"), ("4x8", "4x8", "4x4")),
        (("km", "kn", "nm"), ("8x4", "8x2", "2x4")),
        (("bmk", "bkn", "bmn"), ("2x2x4", "2x4x2", "2x2x2")),
        (("mk", "k", "m"), ("4x8", "8", "4")),
        (("mjk", "kjn", "mn"), ("4x2x4", "4x2x4", "4x4")),
    ],
)
@pytest.mark.parametrize("kind", ["bf16", "bf16 extended", "i8", "i16"])
def test_contract(
    rng: np.random.Generator, maps: tuple[str, str, str], shapes: tuple[str, str, str], kind: str
) -> None:
    sizes = [tuple(map(int, shape.split("x"))) for shape in shapes]
    floating = kind.startswith("bf16")
    element, accumulator = ("bf16", "f32") if floating else (kind, "i32")
    if floating:
        a, b = (bf16(rng.standard_normal(size)) for size in sizes[:2])
        c = rng.standard_normal(sizes[2]).astype(np.float32)
        wanted = contracted(f32(a), f32(b), c, maps)
    else:
        dtype = np.dtype(f"int{kind[1:]}")
        a, b = (
            rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, size, dtype, endpoint=True) for size in sizes[:2]
        )
        c = rng.integers(-(2**20), 2**20, sizes[2]).astype(np.int32)
        wanted = contracted(a.astype(np.int32), b.astype(np.int32), c, maps)
    dims = sorted(set("".join(maps)))
    affine = ", ".join(f"affine_map<({', '.join(dims)}) -> ({', '.join(map_)})>" for map_ in maps)
    kinds = ", ".join('"parallel"' if d in maps[2] else '"reduction"' for d in dims)
    types = [f"{shape}x{dtype}" for shape, dtype in zip(shapes, (element, element, accumulator), strict=True)]
    zero = [f"%0 = arith.constant 0{'.0' if floating else ''} : {element}", "%z = arith.constant 0 : index"]
    lines = [*zero, f"%1 = arith.constant 0{'.0' if floating else ''} : {accumulator}"]
    places = [", ".join(["%z"] * len(size)) for size in sizes]
    for name, at, type_, pad in zip("abc", places, types, ("%0", "%0", "%1"), strict=True):
        lines.append(f"%v{name} = vector.transfer_read %{name}[{at}], {pad} : memref<{type_}>, vector<{type_}>")
    factors = types[:2]
    if kind != "bf16":
        factors = [f"{shape}x{accumulator}" for shape in shapes[:2]]
        for name, narrow, wide in zip("ab", types, factors, strict=False):
            lines.append(
                f"%w{name} = arith.ext{'f' if floating else 'si'} %v{name} : vector<{narrow}> to vector<{wide}>"
            )
    of = "%va, %vb" if kind == "bf16" else "%wa, %wb"
    lines.append(
        f"%r = vector.contract {{indexing_maps = [{affine}], iterator_types = [{kinds}], kind = #vector.kind<add>}}"
        f" {of}, %vc : vector<{factors[0]}>, vector<{factors[1]}> into vector<{types[2]}>"
    )
    lines.append(f"vector.transfer_write %r, %c[{places[2]}] : vector<{types[2]}>, memref<{types[2]}>")
    a_type, b_type, c_type = (f"memref<{type_}>" for type_ in types)
    run("\n".join(lines), a=(a_type, a), b=(b_type, b), c=(c_type, c))
    np.testing.assert_array_equal(c, wanted)


def halved(values: np.ndarray) -> np.ndarray:
    while values.size > 1:
        values = values[: values.size // 2] + values[values.size // 2 :]
    return values[0]


@pytest.mark.parametrize("start", [False, True])
def test_a_sum_of_f32_adds_halves(rng: np.random.Generator, start: bool) -> None:
    values = rng.standard_normal(16).astype(np.float32)
    out = rng.standard_normal(1).astype(np.float32)
    wanted = halved(values) + out[0] if start else halved(values)
    run(
        f"""%c0 = arith.constant 0 : index
        %v = vector.load %source[%c0] : memref<16xf32>, vector<16xf32>
        %o = memref.load %out[%c0] : memref<1xf32>
        %s = vector.reduction <add>, %v{", %o" if start else ""} : vector<16xf32> into f32
        memref.store %s, %out[%c0] : memref<1xf32>""",
        source=("memref<16xf32>", values),
        out=("memref<1xf32>", out),
    )
    assert out[0] == wanted


@pytest.mark.parametrize(("kind", "function"), [("add", None), ("maximumf", np.max), ("minnumf", np.min)])
def test_reductions_of_bf16(rng: np.random.Generator, kind: str, function: object) -> None:
    values = bf16(rng.standard_normal(32))
    out = np.zeros(1, np.uint16)
    wanted = (
        halved(f32(values)) if function is None else np.max(f32(values)) if kind == "maximumf" else np.min(f32(values))
    )
    run(
        f"""%c0 = arith.constant 0 : index
        %v = vector.load %source[%c0] : memref<32xbf16>, vector<32xbf16>
        %s = vector.reduction <{kind}>, %v : vector<32xbf16> into bf16
        memref.store %s, %out[%c0] : memref<1xbf16>""",
        source=("memref<32xbf16>", values),
        out=("memref<1xbf16>", out),
    )
    assert out[0] == bf16(np.array([wanted]))[0]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (
            "%r = vector.shuffle %v, %v [3, 1, 35, 0, 4, 4, 4, 31] : vector<32xi32>, vector<32xi32>",
            [3, 1, 3, 0, 4, 4, 4, 31],
        ),
        (
            "%m = vector.shape_cast %v : vector<32xi32> to vector<4x8xi32>\n"
            "%t = vector.transpose %m, [1, 0] : vector<4x8xi32> to vector<8x4xi32>\n"
            "%f = vector.shape_cast %t : vector<8x4xi32> to vector<32xi32>\n"
            "%r = vector.extract_strided_slice %f {offsets = [4], sizes = [8], strides = [1]}"
            " : vector<32xi32> to vector<8xi32>",
            [1, 9, 17, 25, 2, 10, 18, 26],
        ),
        (
            "%x = vector.extract %v[7] : i32 from vector<32xi32>\n%r = vector.broadcast %x : i32 to vector<8xi32>",
            [7] * 8,
        ),
        (
            "%x = vector.extract %v[%c5] : i32 from vector<32xi32>\n%b = vector.broadcast %x : i32 to vector<8xi32>\n"
            "%y = arith.constant -1 : i32\n%r = vector.insert %y, %b[2] : i32 into vector<8xi32>",
            [5, 5, -1, 5, 5, 5, 5, 5],
        ),
        (
            "%l = vector.extract_strided_slice %v {offsets = [0], sizes = [8], strides = [1]}"
            " : vector<32xi32> to vector<8xi32>\n"
            "%h = vector.extract_strided_slice %v {offsets = [8], sizes = [8], strides = [1]}"
            " : vector<32xi32> to vector<8xi32>\n"
            "%k = arith.constant dense<4> : vector<8xi32>\n%c = arith.cmpi slt, %l, %k : vector<8xi32>\n"
            "%r = arith.select %c, %l, %h : vector<8xi1>, vector<8xi32>",
            [0, 1, 2, 3, 12, 13, 14, 15],
        ),
        (
            "%l = vector.extract_strided_slice %v {offsets = [0], sizes = [4], strides = [1]}"
            " : vector<32xi32> to vector<4xi32>\n%r = vector.interleave %l, %l : vector<4xi32> -> vector<8xi32>",
            [0, 0, 1, 1, 2, 2, 3, 3],
        ),
    ],
)
def test_moving_lanes(lines: str, wanted: list[int]) -> None:
    values, out = np.arange(32, dtype=np.int32), np.zeros(8, np.int32)
    run(
        f"""%c0 = arith.constant 0 : index
        %c5 = arith.constant 5 : index
        %v = vector.load %source[%c0] : memref<32xi32>, vector<32xi32>
        {lines}
        vector.store %r, %out[%c0] : memref<8xi32>, vector<8xi32>""",
        source=("memref<32xi32>", values),
        out=("memref<8xi32>", out),
    )
    assert out.tolist() == wanted


def test_bits_are_reinterpreted(rng: np.random.Generator) -> None:
    values = rng.standard_normal(16).astype(np.float32)
    out = np.zeros(32, np.int16)
    run(
        """%c0 = arith.constant 0 : index
        %v = vector.load %source[%c0] : memref<16xf32>, vector<16xf32>
        %b = vector.bitcast %v : vector<16xf32> to vector<32xi16>
        vector.store %b, %out[%c0] : memref<32xi16>, vector<32xi16>""",
        source=("memref<16xf32>", values),
        out=("memref<32xi16>", out),
    )
    np.testing.assert_array_equal(out, values.view(np.int16))


def test_transfers_of_a_tile_within_a_matrix(rng: np.random.Generator) -> None:
    matrix, out = bf16(rng.standard_normal((16, 24))), np.zeros((3, 8, 4), np.uint16)
    run(
        """%c0 = arith.constant 0 : index
        %c2 = arith.constant 2 : index
        %c5 = arith.constant 5 : index
        %c9 = arith.constant 9 : index
        %pad = arith.constant 0.0 : bf16
        %v = vector.transfer_read %source[%c5, %c9], %pad : memref<16x24xbf16>, vector<4x8xbf16>
        %t = vector.transpose %v, [1, 0] : vector<4x8xbf16> to vector<8x4xbf16>
        vector.transfer_write %t, %out[%c2, %c0, %c0] : vector<8x4xbf16>, memref<3x8x4xbf16>""",
        source=("memref<16x24xbf16>", matrix),
        out=("memref<3x8x4xbf16>", out),
    )
    np.testing.assert_array_equal(out[2], matrix[5:9, 9:17].T)
    assert not out[:2].any()


def test_a_transfer_may_repeat_and_swap_dimensions(rng: np.random.Generator) -> None:
    matrix = rng.integers(-100, 100, (8, 4)).astype(np.int32)
    swapped, repeated = np.zeros((4, 8), np.int32), np.zeros((2, 4), np.int32)
    run(
        """%c0 = arith.constant 0 : index
        %c3 = arith.constant 3 : index
        %pad = arith.constant 0 : i32
        %v = vector.transfer_read %source[%c0, %c0], %pad {permutation_map = affine_map<(a, b) -> (b, a)>}
          : memref<8x4xi32>, vector<4x8xi32>
        vector.transfer_write %v, %swapped[%c0, %c0] : vector<4x8xi32>, memref<4x8xi32>
        %w = vector.transfer_read %source[%c3, %c0], %pad {permutation_map = affine_map<(a, b) -> (0, b)>,
          in_bounds = [true, true]} : memref<8x4xi32>, vector<2x4xi32>
        vector.transfer_write %w, %repeated[%c0, %c0] : vector<2x4xi32>, memref<2x4xi32>""",
        source=("memref<8x4xi32>", matrix),
        swapped=("memref<4x8xi32>", swapped),
        repeated=("memref<2x4xi32>", repeated),
    )
    np.testing.assert_array_equal(swapped, matrix.T)
    np.testing.assert_array_equal(repeated, np.stack([matrix[3], matrix[3]]))
