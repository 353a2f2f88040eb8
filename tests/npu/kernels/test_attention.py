"""Each attention kernel of the NPU, simulated, against fp64."""

from dataclasses import replace

import numpy as np
import pytest

from kernelc.npu import attention_prefill
from kernelc.npu.attention import Cut, Shape
from kernelrt.npu.hardware import Tile
from tests.npu.kernels import device
from tests.oracle import npu_attention
from tests.oracle.npu_numbers import relative, to_bf16

BF16 = 1e-2  # ||d|| / ||ref||
INT8 = 1e-2  # weights of two bytes, products exact; what rounding q, k and v to bytes costs is not the kernel's


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Fresh numbers in every run; a failure shows their seed."""
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    return np.random.default_rng(seed)


PREFILL = {
    # heads, kv heads, head_dim, capacity, window, starts, spread, chunk, dtype; first position and rows of the run
    "causal": ((8, 4, 64, 256, None, (0,), 1, 256), 0, 256),
    "cached": ((4, 4, 64, 256, None, (128,), 128, 128), 77, 101),
    "windowed": ((2, 1, 128, 256, 100, (0, 128), 128, 128), 128, 128),
    "ring": ((4, 2, 32, 192, 100, (0, 64, 128, 192, 256), 64, 64), 1000, 64),
    "wide": ((4, 1, 256, 128, None, (64,), 64, 64), 64, 50),
    "odd": ((3, 1, 40, 128, 7, (64,), 64, 64), 33, 64),
    "eight": ((8, 1, 64, 128, None, (0,), 1, 64), 0, 5),
    "bytes": ((4, 2, 64, 128, None, (64,), 64, 64, "i8"), 64, 60),
    "bytes_windowed": ((4, 1, 128, 128, 50, (64,), 64, 64, "i8"), 50, 64),
}


def shaped(*values: object) -> Shape:
    heads, kv_heads, head_dim, capacity, window, starts, spread, rows, *dtype = values
    return Shape(heads, kv_heads, head_dim, capacity, window, starts, spread, rows, 1, *dtype)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("case", PREFILL)
def test_prefill(case: str, rng: np.random.Generator) -> None:
    values, start, rows = PREFILL[case]
    shape = shaped(*values)
    given = device.inputs(shape, False, rng)
    found, _ = device.prefill(shape, start, rows, given)
    wanted = npu_attention.prefill(*given.exact, start, rows, shape.window)
    assert relative(found, wanted) <= (BF16 if shape.dtype == "bf16" else INT8)


DECODE = {
    "split_over_a_column": ((4, 4, 64, 256, None, (255,), 256, 1), (200,)),
    "split_over_all_tiles": ((4, 1, 128, 512, None, (255, 511), 256, 1), (511,)),
    "two_sequences": ((4, 2, 32, 256, 16, (255,), 256, 2), (0, 255)),
    "one_is_idle": ((8, 2, 64, 256, None, (255,), 256, 2), (None, 131)),
    "ring": ((3, 1, 40, 256, 200, (255, 511), 256, 3), (9000, 9010, 8999)),
    "eight_heads": ((8, 1, 256, 256, None, (255,), 256, 1), (100,)),
    "bytes": ((4, 2, 64, 256, None, (255,), 256, 2, "i8"), (90, 255)),
}


@pytest.mark.parametrize("case", DECODE)
def test_decode(case: str, rng: np.random.Generator) -> None:
    (heads, kv_heads, head_dim, capacity, window, starts, spread, batch, *dtype), positions = DECODE[case]
    shape = Shape(heads, kv_heads, head_dim, capacity, window, starts, spread, 1, batch, *dtype)
    given = device.inputs(shape, True, rng)
    found, _ = device.decode(shape, positions, given)
    wanted = npu_attention.decode(*given.exact, positions, window)
    assert relative(found, wanted) <= (BF16 if shape.dtype == "bf16" else INT8)


def test_maxima_that_grow_all_along_and_scores_far_below_zero(rng: np.random.Generator) -> None:
    """Scores rise by three orders a key, from 2^-900: every block moves every reference, and none may start from 0."""
    shape = Shape(4, 4, 64, 256, 100, (128,), 128, 128)
    given = device.inputs(shape, False, rng, spread=0.5)
    q, k, v = (x.copy() for x in given.exact)
    q[..., 0], k[..., 0] = 1.0, np.arange(256) * 3.0 - 900
    q, k = (npu_exact(x) for x in (q, k))
    given = replace(given, q=to_bf16(q), k=to_bf16(k), exact=(q, k, v))
    found, _ = device.prefill(shape, 128, 128, given)
    assert relative(found, npu_attention.prefill(q, k, v, 128, 128, 100)) <= BF16


def npu_exact(x: np.ndarray) -> np.ndarray:
    """The nearest numbers that are bf16."""
    return device.from_bf16(to_bf16(x))


def test_blocks_that_no_query_sees_are_neither_moved_nor_computed(rng: np.random.Generator) -> None:
    """A window of 64 in a cache of 512: the last chunk needs 64 + 64 + 31 keys a pass at the most."""
    shape, cut = Shape(4, 4, 64, 512, 64, (448,), 1, 64), Cut(16, 32, 2)
    chunk = attention_prefill.chunk_of(shape, cut)
    assert chunk.stream(0, 448, 1).blocks * 32 <= 64 + 64 + 31
    _, report = device.prefill(shape, 448, 64, device.inputs(shape, False, rng), cut)
    blocks = chunk.passes * chunk.stream(0, 448, 1).blocks
    header, pair = 32, 2 * 32 * 64 * 2
    assert report.moved(Tile(0, 0), "MM2S") == blocks * (header + pair) + 64 * 64 * 2
    seen = 4 * 64 * 64  # pairs of a query and a key that it sees
    products = (2 * 64 + 4) * seen  # scores, values, and l's column
    assert products < report.macs < 2.2 * products


def test_a_pass_without_queries_gives_zeros(rng: np.random.Generator) -> None:
    """Of two passes the second is behind the chunk's end: its rows are zero, not whatever lay there."""
    shape, cut = Shape(4, 4, 64, 128, None, (0,), 1, 128), Cut(16, 16, 1)
    given = device.inputs(shape, False, rng)
    spec = attention_prefill.spec(shape, "prefill", cut)
    chunk = attention_prefill.chunk_of(shape, cut)
    passes = [chunk.header(i, 0, 40, chunk.stream(i, 0, 1)) for i in range(chunk.passes)]
    out = np.full((128, 4, 64), device.POISON, np.uint16)
    device.run(device.machine(spec), "start_0", given.q, given.k, given.v, out, np.array([passes] * 4, np.int32))
    assert relative(device.from_bf16(out[:40]), npu_attention.prefill(*given.exact, 0, 40, None)) <= BF16
    assert not out[64:].any()
