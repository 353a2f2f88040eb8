"""The reference quantiser against the `gguf` package, bit for bit."""

import secrets

import gguf
import numpy as np
import pytest

from tests.oracle import quantize

TYPES = {"q4_0": gguf.GGMLQuantizationType.Q4_0, "q8_0": gguf.GGMLQuantizationType.Q8_0}


def _weights(rows: int, width: int) -> np.ndarray:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    w = (rng.standard_normal((rows, width)) * 10.0 ** rng.uniform(-3, 1, (rows, 1))).astype(np.float32)
    w[0, :32] = 0  # a block of zeros
    w[1, :32] = np.arange(32) - 15.5  # ties of q8_0's rounding are likely here
    w[2, :32] = -w[1, :32] * 2.0**-5
    return w


@pytest.mark.parametrize("quant", TYPES)
def test_blocks_are_those_of_gguf(quant: str) -> None:
    w = _weights(64, 160)
    ours = quantize.to_blocks(w, quant)
    theirs = gguf.quants.quantize(w, TYPES[quant])
    np.testing.assert_array_equal(ours.reshape(64, -1), theirs)
    np.testing.assert_array_equal(quantize.from_blocks(ours), gguf.quants.dequantize(theirs, TYPES[quant]))


def test_q6_k_means_what_gguf_says() -> None:
    """Of bytes that are anything, and of weights that it wrote itself: every block is near what it came from."""
    seed = secrets.randbits(32)
    raw = np.random.default_rng(seed).integers(0, 256, (5, 3, quantize.Q6_K_BYTES), np.uint8)
    raw[..., -1] &= 0xBF  # d is finite
    w = _weights(64, 512) * np.float32(2.0**-8)  # scales that are subnormal halves among them
    for blocks in (raw, quantize.to_blocks(w, "q6_k")):
        flat = blocks.reshape(len(blocks), -1)
        theirs = gguf.quants.dequantize(flat, gguf.GGMLQuantizationType.Q6_K)
        np.testing.assert_array_equal(quantize.from_blocks(blocks), theirs, f"seed {seed}")
        quants, scales = quantize.split_q6_k(blocks)
        assert quants.dtype == np.int8
        assert scales.dtype == np.float32
    back = quantize.from_blocks(quantize.to_blocks(w, "q6_k")).reshape(64, 2, 256)
    top = np.abs(w).reshape(64, 2, 256).max(-1, keepdims=True)
    assert (np.abs(back - w.reshape(back.shape)) <= top / 25 + 2.0**-19).all(), f"seed {seed}"
    with pytest.raises(ValueError, match="320"):
        quantize.to_blocks(np.zeros((1, 320)), "q6_k")


@pytest.mark.parametrize(("quant", "step"), [("q4_0", 1 / 8), ("q8_0", 1 / 127), ("f16", 2.0**-11)])
@pytest.mark.parametrize("width", [40, 80, 96])
def test_planes_hold_the_weights_and_a_tail_of_zeros(quant: str, step: float, width: int) -> None:
    w = _weights(7, width)
    quants, scales, meant = quantize.planes(w, quant)
    blocks = -(-width // 32)
    assert quants.shape == (7, blocks * {"q4_0": 1, "q8_0": 2, "f16": 4}[quant], 4)
    assert meant.shape == (7, width)
    top = np.abs(quantize.pad(w)).reshape(7, blocks, 32).max(-1)
    # Half a step, a whole one at the end of q4_0's range (7 for 8), and the rounding of the scale to fp16.
    bound = np.repeat(top, 32, 1)[:, :width] * step * 1.01
    assert (np.abs(meant - w) <= bound).all()
    if scales is None:
        tail = quants.view(np.float16).reshape(7, -1)[:, width:]
        assert (tail == 0).all()
    else:
        assert scales.shape == (7, blocks)
        joined = np.concatenate(
            [scales[..., None].view(np.uint8), quants.view(np.uint8).reshape(7, blocks, -1)], axis=-1
        )
        again = quantize.from_blocks(joined)
        np.testing.assert_array_equal(again[:, :width], meant)
        assert (again[:, width:] == 0).all()
