"""GGUF files through the engine: their blocks are used bit for bit, the embedding in a format of its own."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelrt.step import Step
from tests.fixtures.checkpoints import write_folder, write_gguf
from tests.fixtures.engine import bundle_of, engine_of
from tests.oracle.agreement import agreement
from tests.oracle.configs import Config, config
from tests.oracle.gemma import logits
from tests.oracle.weights import EMBEDDING, meant, tensors

BLOCK, BYTES = 256, 210  # weights and bytes of a block of Q6_K
DECODED = 8


def _run(wanted: Config, buckets: Buckets, weights: Path, tokens: list[int]) -> np.ndarray:
    """The logits after all but the last tokens, which are decoded, and after each of these."""
    prompt = len(tokens) - DECODED
    with engine_of(bundle_of(wanted.model, buckets), weights) as engine:
        engine.prefill(0, tokens[:prompt])
        rows = [engine.logits()[0]]
        for position in range(prompt, len(tokens)):
            engine.decode([Step(0, tokens[position], position)])
            rows.append(engine.logits()[0])
    return np.stack(rows)


@pytest.mark.parametrize("quant", ["q8_0", "q4_0"])
def test_a_gguf_file_gives_the_bits_of_weights_quantised_on_load(quant: str, tmp_path: Path) -> None:
    wanted = config("d32-gguf")
    checkpoint = tensors(wanted.model, wanted.seed, wanted.branch)
    file = write_gguf(tmp_path / "model.gguf", wanted.model, checkpoint, quant)
    folder = write_folder(tmp_path / "hf", wanted.model, checkpoint, shards=3)
    buckets = Buckets((64,), (1,), quant)
    tokens = wanted.tokens(50)
    np.testing.assert_array_equal(_run(wanted, buckets, file, tokens), _run(wanted, buckets, folder, tokens))


def test_a_q4_0_file_with_its_embedding_in_q6_k(tmp_path: Path) -> None:
    """As public files are. The blocks are random bits: every scale and quant occurs."""
    wanted = config("d128-gguf")
    checkpoint = tensors(wanted.model, wanted.seed, wanted.branch)
    rows, width = checkpoint[EMBEDDING].shape
    blocks = _random_blocks(rows * width // BLOCK, wanted.seed)
    file = write_gguf(tmp_path / "model.gguf", wanted.model, checkpoint, "q4_0", embedding=blocks.tobytes())
    weights = meant(checkpoint, "q4_0")
    table = gguf.quants.dequantize(blocks.reshape(rows, -1), gguf.GGMLQuantizationType.Q6_K)
    weights[EMBEDDING] = table.astype(np.float64)
    tokens = wanted.tokens(50)
    ours = _run(wanted, Buckets((64,), (1,), "q4_0", "q6_k"), file, tokens)
    positions = range(len(tokens) - DECODED - 1, len(tokens))
    failures = agreement(ours, logits(wanted.model, weights, tokens)[positions], positions).failures("q6_k")
    assert not failures, "\n".join([f"{wanted.name}, seed {wanted.seed}", *failures])


def _random_blocks(count: int, seed: int) -> np.ndarray:
    """Blocks of Q6_K [count, 210]: 192 bytes of quants, 16 scales, and an fp16 factor that makes weights of 1 / 16."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, BYTES), np.uint8)
    blocks[:, 192:208] = rng.integers(-32, 32, (count, 16), np.int8).view(np.uint8)
    factors = (1.9e-4 * (1 + rng.random(count))).astype(np.float16)
    blocks[:, 208:] = factors[:, None].view(np.uint8)
    return blocks
