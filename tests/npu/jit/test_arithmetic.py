"""AIE2's arithmetic, bit for bit against NumPy, on random signed data."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.npu.jit.harness import bf16, f32, run

BITS = np.uint32


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


def elementwise(operation: str, source: str, result: str, *arrays: np.ndarray, extra: str = "") -> np.ndarray:
    """Applies `operation` (with {0}, {1}, ... for its operands) to whole arrays of 32 elements."""
    zeros = {"f32": "0.0 : f32", "bf16": "0.0 : bf16"}
    shape = arrays[0].size
    out = np.zeros(shape, {"f32": np.float32, "bf16": np.uint16, "i8": np.int8, "i16": np.int16}.get(result, np.int32))
    buffers = {"out": (f"memref<{shape}x{result}>", out), "sink": ("memref<16xi32>", np.zeros(16, np.int32))}
    lines = [f"%c0 = arith.constant 0 : index\n%pad = arith.constant {zeros.get(source, f'0 : {source}')}", extra]
    for number, array in enumerate(arrays):
        buffers[f"in{number}"] = (f"memref<{shape}x{source}>", array)
        lines.append(
            f"%v{number} = vector.transfer_read %in{number}[%c0], %pad : memref<{shape}x{source}>,"
            f" vector<{shape}x{source}>"
        )
    lines.append(f"%r = {operation.format(*(f'%v{n}' for n in range(len(arrays))))}")
    lines.append(f"vector.transfer_write %r, %out[%c0] : vector<{shape}x{result}>, memref<{shape}x{result}>")
    run("\n".join(lines), **buffers)
    return out


def interesting(rng: np.random.Generator, count: int = 64) -> np.ndarray:
    """f32 of all signs and sizes: halfway between two bf16, both signs of zero, infinities."""
    values = (rng.standard_normal(count) * 10.0 ** rng.integers(-30, 30, count)).astype(np.float32)
    bits = values.view(BITS)
    bits[: count // 4] = (bits[: count // 4] & 0xFFFF0000) | 0x8000  # exactly halfway
    values[-6:] = [0.0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38]
    return values


def rounded(values: np.ndarray, mode: str) -> np.ndarray:
    """Bits of bf16, from exact comparisons in f64 between the two neighbours."""
    low = (values.view(BITS) & 0xFFFF0000).view(np.float32)  # towards zero
    with np.errstate(over="ignore"):
        high = (low.view(BITS) + 0x10000).astype(BITS).view(np.float32)  # away from zero
    exact, inner = values.astype(np.float64), low.astype(np.float64)
    outer = np.where(np.isinf(high), np.copysign(2.0**128, inner), high).astype(np.float64)
    half = (inner + outer) / 2
    above, tie = np.abs(exact) > np.abs(half), exact == half
    odd = (low.view(BITS) >> 16) & 1 == 1
    away = {
        "even": above | (tie & odd),
        "up": above | (tie & (values > 0)),
        "down": (exact != inner) & (values < 0),
    }[mode]
    away &= np.isfinite(values)
    return (np.where(away, high, low).astype(np.float32).view(BITS) >> 16).astype(np.uint16)


CONTRACT = """
%za = arith.constant dense<0.0> : vector<4x8xbf16>
%zb = arith.constant dense<0.0> : vector<8x4xbf16>
%zc = arith.constant dense<0.0> : vector<4x4xf32>
%product = vector.contract {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>,
  affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>}
  %za, %zb, %zc : vector<4x8xbf16>, vector<8x4xbf16> into vector<4x4xf32>
%flat = vector.shape_cast %product : vector<4x4xf32> to vector<16xf32>
%used = vector.bitcast %flat : vector<16xf32> to vector<16xi32>
vector.store %used, %sink[%c0] : memref<16xi32>, vector<16xi32>
"""
NARROWING = """
%wide = vector.load %sink[%c0] : memref<16xi32>, vector<16xi32>
%narrow = arith.trunci %wide : vector<16xi32> to vector<16xi8>
%used = arith.extsi %narrow : vector<16xi8> to vector<16xi32>
vector.store %used, %sink[%c0] : memref<16xi32>, vector<16xi32>
"""


@pytest.mark.parametrize(("mode", "extra"), [("even", CONTRACT), ("up", NARROWING), ("down", "")])
def test_whole_vectors_round_to_bf16_as_the_core_has_set_it(rng: np.random.Generator, mode: str, extra: str) -> None:
    values = interesting(rng)
    found = elementwise("arith.truncf {0} : vector<64xf32> to vector<64xbf16>", "f32", "bf16", values, extra=extra)
    np.testing.assert_array_equal(found, rounded(values, mode))
    modes = {other: rounded(values, other).tobytes() for other in ("even", "up", "down")}
    assert len(set(modes.values())) == 3  # the data tell the modes apart


def test_other_conversions_to_bf16_round_to_the_nearest_even(rng: np.random.Generator) -> None:
    values = interesting(rng, 20)
    found = elementwise("arith.truncf {0} : vector<20xf32> to vector<20xbf16>", "f32", "bf16", values)
    np.testing.assert_array_equal(found, rounded(values, "even"))
    np.testing.assert_array_equal(found[:14], bf16(values[:14]))


def test_a_nan_stays_one(rng: np.random.Generator) -> None:
    values = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000, 0xFF80FFFF] * 4, BITS).view(np.float32)
    found = elementwise("arith.truncf {0} : vector<16xf32> to vector<16xbf16>", "f32", "bf16", values)
    assert np.isnan(f32(found)).all()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("addf", np.add),
        ("subf", np.subtract),
        ("mulf", np.multiply),
        ("divf", np.divide),
        ("maximumf", np.maximum),
        ("minnumf", np.fmin),
    ],
)
def test_bf16_computes_in_f32_and_rounds_once(
    rng: np.random.Generator, name: str, function: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    a, b = bf16(rng.standard_normal(32)), bf16(rng.standard_normal(32))
    found = elementwise(f"arith.{name} {{0}}, {{1}} : vector<32xbf16>", "bf16", "bf16", a, b)
    np.testing.assert_array_equal(found, rounded(function(f32(a), f32(b)), "down"))


@pytest.mark.parametrize(
    ("name", "function"),
    [("addf", np.add), ("subf", np.subtract), ("mulf", np.multiply), ("divf", np.divide), ("maximumf", np.maximum)],
)
def test_f32_is_ieee(
    rng: np.random.Generator, name: str, function: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    a, b = rng.standard_normal((2, 64)).astype(np.float32)
    found = elementwise(f"arith.{name} {{0}}, {{1}} : vector<64xf32>", "f32", "f32", a, b)
    np.testing.assert_array_equal(found, function(a, b))


def test_fma_rounds_once(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 32)).astype(np.float32)
    c = -(a * b)  # what is left is the rounding of the product, which two roundings would lose
    found = elementwise("vector.fma {0}, {1}, {2} : vector<32xf32>", "f32", "f32", a, b, c)
    exact = a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)
    np.testing.assert_array_equal(found, exact.astype(np.float32))
    assert np.count_nonzero(found) > 16


def test_denormals_are_zero() -> None:
    tiny = np.float32(2.0**-126)
    a = np.array([tiny, tiny * 1.5, -tiny * 1.5, tiny / 2, -tiny / 4, 1.0, tiny, 0.0] * 4, np.float32)
    b = np.array([0.5, -tiny, tiny, 2.0, 2.0, tiny / 2, 1.0, 5.0] * 4, np.float32)
    product = elementwise("arith.mulf {0}, {1} : vector<32xf32>", "f32", "f32", a, b)
    np.testing.assert_array_equal(product, np.array([0, 0, 0, 0, 0, 0, tiny, 0] * 4, np.float32))
    total = elementwise("arith.addf {0}, {1} : vector<32xf32>", "f32", "f32", a, b)
    np.testing.assert_array_equal(total, np.array([0.5, 0, 0, 2, 2, 1, 1, 5] * 4, np.float32))
    assert np.float32(2.0**-130) * np.float32(1.0) != 0  # and Python's own arithmetic is as it was


@pytest.mark.parametrize(("kind", "factor"), [("f32", 1e9), ("bf16", 1e9)])
def test_conversion_to_integers_saturates(rng: np.random.Generator, kind: str, factor: float) -> None:
    values = (rng.standard_normal(16) * factor).astype(np.float32)
    values[:5] = [np.nan, np.inf, -np.inf, 1e30, -1e30]
    data = values if kind == "f32" else bf16(values)
    if kind == "bf16":
        data[0] = 0x7FC0
    found = elementwise(f"arith.fptosi {{0}} : vector<16x{kind}> to vector<16xi32>", kind, "i32", data)
    exact = (values if kind == "f32" else f32(data)).astype(np.float64)
    wanted = np.nan_to_num(np.clip(np.trunc(exact), -(2**31), 2**31 - 1), nan=0.0)
    np.testing.assert_array_equal(found, wanted.astype(np.int32))


@pytest.mark.parametrize(("name", "function"), [("addi", np.add), ("subi", np.subtract), ("muli", np.multiply)])
@pytest.mark.parametrize("kind", ["i8", "i16", "i32"])
def test_integers_wrap_around(
    rng: np.random.Generator, name: str, function: Callable[[np.ndarray, np.ndarray], np.ndarray], kind: str
) -> None:
    dtype = np.dtype(f"int{kind[1:]}")
    info = np.iinfo(dtype)
    a, b = rng.integers(info.min, info.max, (2, 32), dtype, endpoint=True)
    found = elementwise(f"arith.{name} {{0}}, {{1}} : vector<32x{kind}>", kind, kind, a, b)
    np.testing.assert_array_equal(found, function(a, b))


@pytest.mark.parametrize("width", [8, 16])
def test_whole_vectors_saturate_when_they_are_narrowed(rng: np.random.Generator, width: int) -> None:
    limit = 2 ** (width - 1)
    values = rng.integers(-3 * limit, 3 * limit, 32).astype(np.int32)
    values[:4] = [2**31 - 1, -(2**31), limit, -limit - 1]
    found = elementwise(f"arith.trunci {{0}} : vector<32xi32> to vector<32xi{width}>", "i32", f"i{width}", values)
    np.testing.assert_array_equal(found, np.clip(values, -limit, limit - 1))


def test_other_vectors_wrap_when_they_are_narrowed(rng: np.random.Generator) -> None:
    values = rng.integers(-(2**31), 2**31, 20).astype(np.int32)
    found = elementwise("arith.trunci {0} : vector<20xi32> to vector<20xi8>", "i32", "i8", values)
    np.testing.assert_array_equal(found, values.astype(np.int8))


@pytest.mark.parametrize("clamp", ["none", "signed", "unsigned", "other way round"])
@pytest.mark.parametrize("shift", [1, 7])
def test_shift_and_narrowing_are_one_rounding_operation(rng: np.random.Generator, shift: int, clamp: str) -> None:
    values = rng.integers(-(2**16), 2**16, 32).astype(np.int32)
    values[:6] = [2**31 - 1, -(2**31), 1 << (shift - 1), -(1 << (shift - 1)), 3 << (shift - 1), -(3 << (shift - 1))]
    low, high = (0, 255) if clamp == "unsigned" else (-128, 127)
    clamps = {
        "none": "",
        "signed": "%x = arith.maxsi %s, %low : vector<32xi32>\n%y = arith.minsi %x, %high : vector<32xi32>",
        "unsigned": "%x = arith.maxsi %s, %low : vector<32xi32>\n%y = arith.minsi %x, %high : vector<32xi32>",
        "other way round": "%x = arith.minsi %s, %high : vector<32xi32>\n%y = arith.maxsi %x, %low : vector<32xi32>",
    }
    extra = f"""
    %by = arith.constant dense<{shift}> : vector<32xi32>
    %low = arith.constant dense<{low}> : vector<32xi32>
    %high = arith.constant dense<{high}> : vector<32xi32>"""
    body = f"""
    %c0 = arith.constant 0 : index {extra}
    %v = vector.load %source[%c0] : memref<32xi32>, vector<32xi32>
    %s = arith.shrsi %v, %by : vector<32xi32>
    {clamps[clamp]}
    %r = arith.trunci {"%s" if clamp == "none" else "%y"} : vector<32xi32> to vector<32xi8>
    vector.store %r, %out[%c0] : memref<32xi8>, vector<32xi8>"""
    out = np.zeros(32, np.int8)
    run(body, source=("memref<32xi32>", values), out=("memref<32xi8>", out))
    exact = np.floor((values.astype(np.float64) / 2**shift) + 0.5)
    np.testing.assert_array_equal(out, np.clip(exact, low, high).astype(np.int64).astype(np.int8))


def test_a_shift_alone_rounds_down(rng: np.random.Generator) -> None:
    values = rng.integers(-(2**31), 2**31, 32).astype(np.int32)
    extra = "%s = arith.constant dense<5> : vector<32xi32>"
    found = elementwise("arith.shrsi {0}, %s : vector<32xi32>", "i32", "i32", values, extra=extra)
    np.testing.assert_array_equal(found, values >> 5)


@pytest.mark.parametrize("name", ["floordivsi", "ceildivsi", "ceildivui", "divsi", "remsi"])
def test_divisions_round_as_their_names_say(rng: np.random.Generator, name: str) -> None:
    a = rng.integers(-1000, 1000, 32).astype(np.int32)
    b = rng.integers(1, 9, 32).astype(np.int32) * rng.choice(np.array([-1, 1], np.int32), 32)
    if name == "ceildivui":
        a, b = np.abs(a), np.abs(b)
    found = elementwise(f"arith.{name} {{0}}, {{1}} : vector<32xi32>", "i32", "i32", a, b)
    wanted = {
        "floordivsi": a // b,
        "ceildivsi": -(-a // b),
        "ceildivui": -(-a // b),
        "divsi": np.trunc(a / b).astype(np.int32),
        "remsi": np.fmod(a, b),
    }[name]
    np.testing.assert_array_equal(found, wanted)
