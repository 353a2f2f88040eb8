"""A whole Gemma 3 of the bundle's kernels, layer after layer, against fp64: every form that can follow another does.

It holds what no single kernel's test can: that what one kernel writes is what the next one reads.
"""

from dataclasses import replace

import numpy as np
import pytest

from kernelrt.gpu.device import Device
from kernelrt.model import ModelSpec
from tests.kernels.gemma import Gemma
from tests.kernels.harness import fresh_seed, relative_error

CHUNK = 24  # tokens of the first prefill chunk
BOUND = 2e-3  # of a position's logits: halves in the caches, and in prefill between attention and its products


@pytest.fixture(params=["tiny", "tiny-odd"])
def model(request: pytest.FixtureRequest) -> ModelSpec:
    return ModelSpec.load(request.param)


def _tokens(model: ModelSpec, seed: int, count: int) -> list[int]:
    return [int(t) for t in np.random.default_rng(seed).integers(0, model.vocab, count)]


@pytest.fixture
def seed() -> int:
    value = fresh_seed()
    print(f"seed {value}")
    return value


@pytest.mark.parametrize("quant", ["q4_0", "f16"])
def test_prefill_then_decode(device: Device, model: ModelSpec, quant: str, seed: int) -> None:
    """Two chunks, the second across the window's end, then single tokens: the logits of each position."""
    gemma = Gemma.random(device, model, quant, seed, slots=1)
    tokens = _tokens(gemma.model, seed, CHUNK + 20)
    expected = gemma.logits(tokens)
    for start, end in ((0, CHUNK), (CHUNK, CHUNK + 13)):
        logits = gemma.prefill(tokens[start:end], start, 0)
        assert relative_error(logits, expected[end - 1]) < BOUND
    for position in range(CHUNK + 13, len(tokens)):
        logits, chosen = gemma.decode([tokens[position]], [position], 1, dot=False)
        assert relative_error(logits[0], expected[position]) < BOUND
        assert chosen[0] == logits[0].argmax()
    gemma.machine.close()


@pytest.mark.parametrize(
    ("bucket", "dot", "quant", "table"),
    [
        (1, True, "q8_0", "q8_0"),
        (8, False, "q8_0", "q8_0"),
        (8, True, "q8_0", "q8_0"),
        (32, False, "q8_0", "q8_0"),
        (8, False, "f16", "q6_k"),
        (8, True, "q4_0", "q6_k"),
    ],
)
def test_decode_in_batches(device: Device, bucket: int, dot: bool, quant: str, table: str, seed: int) -> None:
    """Three sequences (or one) from their first token on, past the window."""
    tiny = ModelSpec.load("tiny")
    model = replace(tiny, hidden=256) if table == "q6_k" else tiny
    gemma = Gemma.random(device, model, quant, seed, bucket, table)
    count = min(3, bucket)
    sequences = [_tokens(model, seed + i, 20) for i in range(count)]
    expected = [gemma.logits(tokens) for tokens in sequences]
    for position in range(20):
        step = [tokens[position] for tokens in sequences]
        if bucket > 8:
            logits = gemma.decode_tiled(step, [position] * count, bucket)
        else:
            logits, chosen = gemma.decode(step, [position] * count, bucket, dot)
            assert np.array_equal(chosen, logits.argmax(-1))
        for i in range(count):
            # int8 activations: half a percent a product, over six layers
            assert relative_error(logits[i], expected[i][position]) < (5e-2 if dot else BOUND)
    gemma.machine.close()
