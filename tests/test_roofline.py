"""The roofline against the published arithmetic of Gemma 3 27B, and against sums written out the long way."""

import json
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelc.roofline import ImpossibleClaimError, check_claim, estimate
from kernelc.target import TargetSpec
from kernelrt.cost import decode_cost, head_parameters, kv_bytes, layer_parameters, prefill_cost, weight_bytes
from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from kernelrt.quant import BODY_QUANTS, QUANTS, Quant

GEMMA27B = ModelSpec.load("gemma27b")


def test_27b_has_its_published_parameters() -> None:
    assert layer_parameters(GEMMA27B) / 1e6 == pytest.approx(412.9, abs=0.05)
    assert head_parameters(GEMMA27B) / 1e9 == pytest.approx(1.41, abs=0.005)
    assert (62 * layer_parameters(GEMMA27B) + head_parameters(GEMMA27B)) / 1e9 == pytest.approx(27.01, abs=0.005)


@pytest.mark.parametrize(
    ("quant", "embedding", "gigabytes"),
    [
        ("q4_0", "q4_0", 15.2),
        ("q8_0", "q8_0", 28.7),
        ("f16", "f16", 54.0),
        ("q4_0", "q6_k", 15.56),  # 1409.6 M weights of 210 / 256 bytes for 18 / 32
        ("q4_0", "f16", 17.22),
    ],
)
def test_a_token_reads_every_weight_once(quant: str, embedding: str, gigabytes: float) -> None:
    assert weight_bytes(GEMMA27B, QUANTS[quant], QUANTS[embedding]) / 1e9 == pytest.approx(gigabytes, abs=0.05)


def test_kv_bytes_of_a_token_inside_and_past_the_window() -> None:
    assert kv_bytes(GEMMA27B, 1) == 507_904  # all 62 layers
    assert kv_bytes(GEMMA27B, 5000) - kv_bytes(GEMMA27B, 4999) == 81_920  # the ten global layers


def test_a_token_costs_54_gflop() -> None:
    step = decode_cost(GEMMA27B, QUANTS["q4_0"], QUANTS["q4_0"], seq=1, batch=1)
    assert 2 * 62 * layer_parameters(GEMMA27B) / 1e9 == pytest.approx(51.2, abs=0.05)
    assert step.weight_flops / 1e9 == pytest.approx(54.0, abs=0.05)


@pytest.mark.parametrize(
    ("target", "quant", "tokens_per_s", "within"),
    [
        ("phoenix", "q4_0", 5.9, 0.05),
        ("phoenix", "q8_0", 3.1, 0.05),
        ("h200", "q4_0", 316, 0.5),
        ("h200", "q8_0", 167.3, 0.5),
    ],
)
def test_decode_ceiling_of_an_empty_cache(target: str, quant: str, tokens_per_s: float, within: float) -> None:
    best = estimate(GEMMA27B, TargetSpec.load(target), quant, seq=1, batch=1).best("decode")
    assert best.tokens_per_s == pytest.approx(tokens_per_s, abs=within)
    assert best.bound == "memory"


@pytest.mark.parametrize(("arithmetic", "tokens_per_s"), [("fp32", 174), ("fp16", 348)])
def test_prefill_ceiling_on_phoenix(arithmetic: str, tokens_per_s: float) -> None:
    bounds = estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", seq=512, batch=1)
    ceiling = next(c for c in bounds.prefill if c.arithmetic == arithmetic)
    # Attention and the head take what is missing to the published figure.
    assert ceiling.tokens_per_s == pytest.approx(tokens_per_s, rel=0.01)
    assert ceiling.tokens_per_s < tokens_per_s
    assert ceiling.bound == "compute"


def test_the_lines_show_the_limits_that_the_weights_alone_set() -> None:
    text = "\n".join(estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", seq=512, batch=1).lines)
    assert "62 layers x 412.9 M + head 1409.6 M = 27.01 G parameters, 15.19 GB" in text
    assert "89.6 GB/s / 15.19 GB = 5.9 tok/s" in text
    assert "fp32 173.8, fp16 347.7" in text


def test_a_batch_of_32_on_phoenix_is_bound_by_fp32_compute() -> None:
    bounds = estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", seq=1, batch=32)
    fp32 = next(c for c in bounds.decode if c.arithmetic == "fp32")
    assert fp32.bound == "compute"
    assert fp32.tokens_per_s == pytest.approx(8.9e12 / 54.0e9, rel=0.001)


def long_way(model: ModelSpec, seq: int) -> int:
    """Query-key pairs of a prompt, counted one by one."""
    pairs = 0
    for layer in range(model.layers):
        for query in range(seq):
            first = 0 if (layer + 1) % model.global_every == 0 else max(0, query - model.window + 1)
            pairs += query - first + 1
    return pairs


@settings(deadline=None, max_examples=50)
@given(name=st.sampled_from(["tiny", "tiny-odd"]), seq=st.integers(1, 60))
def test_prefill_attention_counts_each_visible_pair(name: str, seq: int) -> None:
    model = ModelSpec.load(name)
    cost = prefill_cost(model, QUANTS["f16"], QUANTS["f16"], seq)
    assert cost.attention_flops == long_way(model, seq) * 4 * model.heads * model.head_dim


@settings(deadline=None, max_examples=50)
@given(
    seq=st.integers(1, 100_000),
    batch=st.integers(1, 32),
    quant=st.sampled_from(BODY_QUANTS),
    embedding=st.sampled_from(sorted(QUANTS)),
)
def test_a_longer_cache_never_raises_the_ceiling(seq: int, batch: int, quant: str, embedding: str) -> None:
    target = TargetSpec.load("phoenix")
    found = (estimate(GEMMA27B, target, quant, length, batch, embedding) for length in (seq, seq + 1))
    short, long = (bounds.best("decode") for bounds in found)
    assert long.tokens_per_s <= short.tokens_per_s


def test_f16_weights_have_no_int8_ceiling() -> None:
    target = TargetSpec.load("h200")
    assert [c.arithmetic for c in estimate(GEMMA27B, target, "f16", 512, 1).decode] == ["fp32", "fp16"]
    assert [c.arithmetic for c in estimate(GEMMA27B, target, "q8_0", 512, 1).decode] == ["fp32", "fp16", "int8"]
    assert len(estimate(GEMMA27B, target, "f16", 512, 1, "q6_k").decode) == 3  # the head has them


def test_an_embedding_of_its_own_is_named() -> None:
    bounds = estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", 512, 1, "q6_k")
    assert "gemma27b in q4_0 with the embedding in q6_k" in bounds.lines[0]
    assert bounds.describe()["embedding"] == "q6_k"
    assert (
        bounds.best("decode").tokens_per_s
        < estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", 512, 1).best("decode").tokens_per_s
    )


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_a_claim_above_the_ceiling_is_refused(phase: Literal["decode", "prefill"]) -> None:
    bounds = estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", seq=512, batch=1)
    best = bounds.best(phase).tokens_per_s
    check_claim(bounds, phase, best)
    check_claim(bounds, phase, 0.0)
    for figure in (best * 1.001, float("nan"), float("inf"), -1.0):
        with pytest.raises(ImpossibleClaimError, match=rf"{phase} at .* is impossible: gemma27b in q4_0 on phoenix"):
            check_claim(bounds, phase, figure)


def test_the_measured_peers_are_possible() -> None:
    """llama.cpp on the H200: below the ceilings, as a true figure must be."""
    target = TargetSpec.load("h200")
    check_claim(estimate(GEMMA27B, target, "q4_0", 128, 1), "decode", 86.0)
    check_claim(estimate(GEMMA27B, target, "q8_0", 128, 32), "decode", 440.0)
    check_claim(estimate(GEMMA27B, target, "q8_0", 512, 1), "prefill", 3269.0)


def test_everything_is_marked_as_modelled_and_is_plain_json() -> None:
    bounds = estimate(GEMMA27B, TargetSpec.load("phoenix"), "q4_0", 512, 8)
    read = json.loads(json.dumps(bounds.describe()))
    assert read["level"] == "modelled"
    assert (read["model"], read["target"], read["quant"], read["batch"]) == ("gemma27b", "phoenix", "q4_0", 8)
    assert read["decode"]["ceilings"][0]["tokens_per_s"] == bounds.decode[0].tokens_per_s
    assert "modelled" in bounds.lines[0]


def test_a_target_without_rates_has_no_roofline() -> None:
    with pytest.raises(InputError, match="target host states no rates"):
        estimate(GEMMA27B, TargetSpec.load("host"), "q4_0", 512, 1)


@pytest.mark.parametrize(
    ("quant", "seq", "batch"), [("q5_0", 512, 1), ("q6_k", 512, 1), ("q4_0", 0, 1), ("q4_0", 512, 0)]
)
def test_what_cannot_be_estimated_is_refused(quant: str, seq: int, batch: int) -> None:
    with pytest.raises(InputError):
        estimate(GEMMA27B, TargetSpec.load("phoenix"), quant, seq, batch)


@pytest.mark.parametrize(("model", "embedding"), [("gemma1b", "q6_k"), ("gemma27b", "q5_k"), ("gemma27b", "")])
def test_an_embedding_that_cannot_be_is_refused(model: str, embedding: str) -> None:
    with pytest.raises(InputError, match="--embedding-quant"):
        estimate(ModelSpec.load(model), TargetSpec.load("phoenix"), "q4_0", 512, 1, embedding)


def test_on_a_device_q6_k_takes_more_than_in_a_file() -> None:
    formats = QUANTS["q4_0"], QUANTS["q6_k"]
    head = GEMMA27B.vocab * GEMMA27B.hidden
    in_file, on_device = (weight_bytes(GEMMA27B, *formats, size) for size in (Quant.file_bytes, Quant.weight_bytes))
    assert on_device - in_file == head * 5 // 4 - head * 210 // 256
