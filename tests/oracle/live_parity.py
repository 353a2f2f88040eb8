"""The runtime on lavapipe against the answers that `transformers` has just given: `make test-oracle`, its second half.

Every configuration in a weight format (with FORMATS=all in every one), from the checkpoints that save_pretrained wrote
(one file, shards, a multimodal model, float32 as transformers initialises it) and from GGUF files of the same weights.
Its name keeps it out of `make test`, where no torch is.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelrt.engine import Engine
from kernelrt.model import ModelSpec
from kernelrt.step import Step
from tests.fixtures.checkpoints import write_gguf
from tests.fixtures.engine import bundle_of, engine_of
from tests.oracle import answers
from tests.oracle.agreement import agreement
from tests.oracle.configs import CONFIGS, Config, config
from tests.oracle.record import QUANTS
from tests.oracle.weights import tensors

GGUF = ("d32-gguf", "d128-gguf")


# All formats of a configuration in one test: its kernels for prefill attention are compiled once.
@pytest.mark.parametrize("wanted", CONFIGS, ids=lambda wanted: wanted.name)
def test_safetensors(wanted: Config) -> None:
    folder = answers.checkpoint(wanted)
    model = ModelSpec.load(folder)
    assert model.describe() == {**wanted.model.describe(), "name": model.name}
    failures = [line for quant in _formats(wanted) for line in _compare(wanted, quant, folder)]
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("name", GGUF)
def test_gguf(name: str, tmp_path: Path) -> None:
    failures: list[str] = []
    for quant in _formats(config(name)):
        wanted, _ = answers.load(config(name), quant)
        checkpoint = tensors(wanted.model, wanted.seed, wanted.branch)
        file = write_gguf(tmp_path / f"{quant}.gguf", wanted.model, checkpoint, quant)
        failures += _compare(wanted, quant, file)
    assert not failures, "\n".join(failures)


def _formats(wanted: Config) -> tuple[str, ...]:
    """One, a third of the configurations each; all with `make test-oracle FORMATS=all`."""
    return QUANTS if os.environ.get("FORMATS") == "all" else (QUANTS[(CONFIGS.index(config(wanted.name)) + 1) % 3],)


def _compare(wanted: Config, quant: str, weights: Path) -> list[str]:
    wanted, answer = answers.load(wanted, quant)
    room = -(-wanted.length // 64) * 64
    with engine_of(bundle_of(wanted.model, Buckets((room,), (1,), quant)), weights) as engine:
        ends = _ends(wanted)
        prefill, decode = _run(engine, answer.tokens, ends)
    first = agreement(prefill, answer.logits[[end - 1 for end in ends]], [end - 1 for end in ends])
    after = agreement(decode, answer.logits[wanted.prompt :], range(wanted.prompt, wanted.length))
    kind = weights.suffix.removeprefix(".") or "safetensors"
    answers.report(wanted, kind, quant, f"prefill {first.error:.1e}, {len(after.rows)} steps {after.error:.1e}")
    what = f"{wanted.name}, {weights.name}, {quant}, seed {wanted.seed}"
    return [*first.failures(f"{what}, prefill"), *after.failures(f"{what}, decode")]


def _ends(wanted: Config) -> list[int]:
    """Prompts' lengths: short ones, those about the window's end, some between, and the whole last."""
    window, prompt = wanted.model.window, wanted.prompt
    between = [int(end) for end in np.linspace(window, prompt, 10)]
    return sorted({1, 2, window // 2, window, window + 1, 2 * window, 2 * window + 1, *between})


def _run(engine: Engine, tokens: list[int], ends: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The logits after prompts of several lengths, and of each decode step after the last of them."""
    prefill: list[np.ndarray] = []
    for end in ends:
        engine.prefill(0, tokens[:end])
        prefill.append(engine.logits()[0])
    decode: list[np.ndarray] = []
    for position in range(ends[-1], len(tokens)):
        engine.decode([Step(0, tokens[position], position)])
        decode.append(engine.logits()[0])
    return np.stack(prefill), np.stack(decode)
