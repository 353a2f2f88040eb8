"""Quantising on load: the very bytes of ggml's reference, by the `gguf` package."""

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize, quantize
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernelrt.weights.q6_k import q6_k
from kernelrt.weights.quantize import q4_0, q8_0
from tests.kernels.harness import fresh_seed

TYPES = gguf.GGMLQuantizationType
BLOCKS = {"q4_0": (q4_0, TYPES.Q4_0), "q8_0": (q8_0, TYPES.Q8_0)}
# Whatever has an inverse of its scale; below, ggml's result is undefined.
FLOATS = st.floats(-60000, 60000, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30)
VALUES = st.one_of(FLOATS, st.integers(-300, 300).map(lambda i: i / 2))  # halves: where rounding shows


@pytest.mark.parametrize("name", BLOCKS)
@settings(deadline=None, max_examples=200)
@given(x=arrays(np.float32, (3, 32), elements=VALUES))
def test_blocks_are_those_of_ggml(name: str, x: np.ndarray) -> None:
    ours, kind = BLOCKS[name]
    x = x + np.float32(0)  # a block of nothing but -0.0 is where the package differs from ggml itself
    assert np.array_equal(ours(x), quantize(x, kind))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("scale", [1e-6, 0.02, 1, 1000])
def test_many_random_blocks_are_those_of_ggml(name: str, scale: float) -> None:
    ours, kind = BLOCKS[name]
    rng = np.random.default_rng(fresh_seed())
    x = (rng.standard_normal((20000, 32)) * scale).astype(np.float32)
    x[:5000] = np.rint(x[:5000] / scale * 4) / 4 * scale  # equal magnitudes and halves
    x[5000:5100, 1:] = 0
    x[5100] = 0
    assert np.array_equal(ours(x), quantize(x, kind))


@pytest.mark.parametrize("name", BLOCKS)
def test_weights_too_small_for_a_scale_become_zero(name: str) -> None:
    ours, kind = BLOCKS[name]
    x = np.zeros((3, 32), np.float32)
    x[1, 3], x[2, :] = 1e-45, 1e-40
    assert not dequantize(ours(x), kind).any()
    assert np.array_equal(ours(-np.zeros((1, 32), np.float32)), ours(np.zeros((1, 32), np.float32)))


def test_q6_k_is_read_back_by_the_package_within_half_a_step() -> None:
    rng = np.random.default_rng(fresh_seed())
    x = (rng.standard_normal((500, 256)) * rng.choice([1e-3, 0.02, 3], (500, 1))).astype(np.float32)
    x[7] = 0
    x[8, 16:] = 0
    blocks = q6_k(x)
    assert blocks.shape == (500, 210)
    read = dequantize(blocks, TYPES.Q6_K).reshape(500, 16, 16)
    groups = x.reshape(500, 16, 16)
    step = np.abs(groups).max(-1, keepdims=True) / 31
    # A group's scale is one of 127 steps of its block's, so that small groups of a block lose more.
    slack = np.abs(groups).max((1, 2), keepdims=True) / 31 / 127
    assert np.all(np.abs(read - groups) <= 0.6 * step + 16 * slack)
    assert not read[7].any()
    assert np.linalg.norm(read - groups) < 0.03 * np.linalg.norm(groups)
