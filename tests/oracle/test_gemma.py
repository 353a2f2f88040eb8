"""The fp64 model against what `transformers` wrote down: every configuration, every weight format."""

import numpy as np
import pytest

from kernelrt.quant import BLOCK
from tests.oracle.configs import CONFIGS, Config
from tests.oracle.gemma import hidden_states, logits
from tests.oracle.record import FOLDER, QUANTS, load
from tests.oracle.weights import meant, tensors

BOUND = 1e-5  # transformers computes norms, softmax and RoPE's angles in float32


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("quant", QUANTS)
def test_agrees_with_transformers(config: Config, quant: str) -> None:
    record = load(config, quant)
    tokens = [int(t) for t in record.tokens]
    assert tokens[: config.prompt] == config.tokens()
    weights = meant(tensors(config.model, config.seed, config.branch), quant)
    ours = logits(config.model, weights, tokens)
    assert len(ours) == config.length
    norms = np.linalg.norm(ours, axis=-1)
    off = np.linalg.norm(ours[record.rows] - record.logits, axis=-1) / norms[record.rows]
    assert off.max() < BOUND, f"position {record.rows[off.argmax()]} is off by {off.max():.1e}"
    np.testing.assert_allclose(norms, record.norm, rtol=BOUND)
    order = np.sort(ours, -1)
    gap = order[:, -1] - order[:, -2]
    slack = 2 * BOUND * norms
    np.testing.assert_array_less(np.abs(gap - record.gap), slack)
    clear = record.gap > slack
    np.testing.assert_array_equal(ours.argmax(-1)[clear], record.best[clear])
    np.testing.assert_array_equal(record.best[config.prompt - 1 : -1], record.tokens[config.prompt :])


def test_no_fixture_is_of_an_unknown_configuration() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {config.name for config in CONFIGS}


def test_one_residual_stream_leaves_fp16_and_the_others_do_not() -> None:
    for config in CONFIGS:
        weights = meant(tensors(config.model, config.seed, config.branch), "f16")
        x = hidden_states(config.model, weights, config.tokens())
        assert (np.abs(x).max() > np.finfo(np.float16).max) == (config.branch > 1000), config.name


def test_the_configurations_have_every_shape() -> None:
    """What README and configs.py say of them, so that a change cannot lose one."""
    models = [config.model for config in CONFIGS]
    assert len(models) >= 12
    assert {m.head_dim for m in models} == {16, 24, 32, 64, 128, 256}
    assert {m.group for m in models} == {1, 2, 4, 8}
    assert {m.kv_heads for m in models} >= {1, 2, 3, 4, 6}
    assert {m.window for m in models} == {8, 16, 32, 64}
    assert {m.global_every for m in models} == {2, 3, 6}
    assert {m.rope_scale_global for m in models} == {1.0, 8.0}
    assert {m.layers for m in models} >= {2, 3, 7}
    assert {m.hidden % BLOCK for m in models} >= {0, 8, 16, 24}
    assert sum(m.ffn // 8 % 2 for m in models) >= 6
    assert any(m.vocab % 2 for m in models)
    assert any(m.query_scale_dim != m.head_dim for m in models)
    assert any(set(m.layer_kinds) == {"local"} for m in models)
    assert all(config.prompt >= 2 * config.model.window + 2 for config in CONFIGS)
