"""What cases cannot say of argmax, topk, sample and embedding: distributions, rows without an answer, refused sizes."""

from dataclasses import replace

import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelc.kernel import Binding
from kernelc.kernels import argmax, embedding, penalty, repack, sample, seen, topk
from kernelc.product.gemv import Gemv, gemv
from kernelc.product.matrix import Matrix
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelc.toolchain import glslang
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer, upload
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import Recording
from kernelrt.model import ModelSpec
from kernelrt.params import NBYTES, Params, Sequence
from tests.kernels.draw import Draw
from tests.kernels.harness import POISON, execute, fresh_seed

NONE = 0xFFFFFFFF  # no token
ROWS = 32
RUNS = 128


def test_sampling_follows_the_truncated_softmax(device: Device) -> None:
    """Pearson's statistic of 4096 seeds' draws: the chance of 10 standard deviations above its mean is below 1e-6."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal(19).astype(np.float32)
    seeds = rng.choice(2**31, (RUNS, ROWS), replace=False)
    counts = np.zeros(19)
    spec = replace(sample.spec(vocab=19, workgroup=64), rolled=True)
    code = glslang.compile(render(spec), spec.name)
    params, tokens = Buffer(device, NBYTES), Buffer(device, 4 * ROWS)
    buffers = (params, upload(device, np.tile(logits, (ROWS, 1))), tokens)
    with Pipeline(device, code, len(buffers), {0: spec.workgroup}) as pipeline:
        recording = Recording(device, [Dispatch(pipeline, buffers, (ROWS, 1, 1))])
        for row in seeds:
            sequences = [Sequence(seed=int(s), temperature=0.9, top_k=12, top_p=0.93) for s in row]
            params.write(Params(ROWS, sequences=tuple(sequences)).pack())
            recording.run()
            counts += np.bincount(tokens.array(np.uint32), minlength=19)
        recording.close()
    order = np.argsort(-logits)[:12]
    p = np.exp(logits[order].astype(np.float64) / np.float32(0.9))
    kept = int(np.searchsorted(np.cumsum(p / p.sum()), 0.93)) + 1
    order, p = order[:kept], p[:kept] / p[:kept].sum()
    assert counts[order].sum() == RUNS * ROWS, f"a token outside the limits was drawn (seed {seed})"
    expected = p * RUNS * ROWS
    statistic = float(((counts[order] - expected) ** 2 / expected).sum())
    assert statistic < (kept - 1) + 10 * (2 * (kept - 1)) ** 0.5, f"seed {seed}"


def test_a_draw_depends_on_seed_and_position_alone(device: Device) -> None:
    """Not on the row, the batch or the size of the workgroup."""
    seed = fresh_seed()
    logits = np.random.default_rng(seed).standard_normal((1, 3000)).astype(np.float32)
    wanted = tuple(Sequence(seed=seed, position=i, temperature=2.0, top_k=2500) for i in range(ROWS))
    arrays = {"logits": np.tile(logits, (ROWS, 1))}
    tokens = execute(device, sample.spec(vocab=3000), arrays, Params(ROWS, sequences=wanted), ROWS)["tokens"]
    turned = Params(ROWS - 1, sequences=wanted[:0:-1])
    other = execute(device, sample.spec(vocab=3000, workgroup=128), arrays, turned, ROWS)["tokens"]
    assert tokens[:0:-1].tolist() == other[:-1].tolist(), f"seed {seed}"
    assert len(set(tokens.tolist())) > ROWS // 2, f"positions give one another's draws (seed {seed})"


@pytest.mark.parametrize("vocab", [300, 2001])
def test_a_row_of_nothing_but_nan_gives_no_token(device: Device, vocab: int) -> None:
    logits = np.full((4, vocab), np.nan, np.float32)
    logits[3, vocab - 1] = -np.inf  # one logit that is a number
    drawn = (Sequence(temperature=1.0), Sequence(temperature=1.0, top_k=5, top_p=0.5))
    params = Params(4, sequences=(Sequence(), *drawn, drawn[0]))
    for spec in (argmax.spec(vocab=vocab), sample.spec(vocab=vocab)):
        tokens = execute(device, spec, {"logits": logits}, params, 5)["tokens"]
        assert tokens.tolist() == [NONE, NONE, NONE, vocab - 1, NONE]  # the last is poison: not a live row


def test_partials_of_nothing_but_nan_give_no_token(device: Device) -> None:
    pairs = np.array([[[0x7FC00000, 7], [0xFFC00000, 3]], [[0x7FC00000, 7], [0xFF800000, 9]]], np.uint32)
    spec = argmax.spec(parts=2, source="partials")
    assert execute(device, spec, {"partials": pairs}, Params(2), 2)["tokens"].tolist() == [NONE, 9]


def test_infinite_logits_are_drawn_alone(device: Device) -> None:
    logits = np.zeros((2, 300), np.float32)
    logits[0, [17, 200]] = np.inf
    logits[1] = -np.inf
    params = Params(2, sequences=(Sequence(temperature=1.0, seed=3), Sequence(temperature=1.0, top_p=0.5)))
    tokens = execute(device, sample.spec(vocab=300), {"logits": logits}, params, 2)["tokens"]
    assert tokens[0] in (17, 200)
    assert tokens[1] < 300


def test_a_token_that_there_is_not_becomes_nan(device: Device) -> None:
    """NaN as the kernel writes it, and not the poison that a row left alone shows."""
    arrays = {
        "tokens": np.array([300, 0xFFFFFFFF], np.uint32),
        "w": np.zeros((300, 3, 4), np.uint32),
        "w_scale": np.zeros((300, 3), np.float16),
    }
    out = execute(device, embedding.spec(vocab=300, hidden=80, quant="q4_0"), arrays, Params(2), 2)["residual"]
    assert (out.view(np.uint32) == 0x7FC00000).all()


def test_sizes_that_the_kernels_do_not_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="k 300"):
        topk.spec(vocab=1000, k=300)
    with pytest.raises(ValueError, match="k 11"):
        topk.spec(vocab=10, k=11)
    with pytest.raises(ValueError, match="2048"):
        sample.spec(vocab=1000, workgroup=2048)
    with pytest.raises(ValueError, match="f16"):
        repack.spec(quant="f16")
    with pytest.raises(ValueError, match="even groups"):
        repack.spec(quant="q4_0", group=255)
    with pytest.raises(ValueError, match="82"):
        embedding.spec(vocab=10, hidden=82, quant="f16")


@pytest.mark.parametrize(
    ("quant", "table", "repacked"),
    [
        ("q4_0", "q4_0", ["repack.q4_0"]),
        ("q8_0", "q8_0", ["repack.q8_0"]),
        ("f16", "f16", []),
        ("q4_0", "q6_k", ["repack.q4_0", "repack.q6_k"]),
        ("q4_0", "f16", ["repack.q4_0"]),
    ],
)
def test_a_bundle_has_each_choice_once(quant: str, table: str, repacked: list[str]) -> None:
    model, target = ModelSpec.load("gemma27b"), TargetSpec.load("phoenix")
    buckets = Buckets(quant=quant, embedding=table)
    families = (embedding, repack, argmax, topk, sample, penalty, seen)
    names = [k.name for family in families for k in family.kernels(model, target, buckets)]
    assert len(set(names)) == len(names)
    once = {"argmax.logits", "topk.k64", "sample", "penalty", "seen.decode", "seen.prefill"}
    assert {f"embedding.{table}", *once, *repacked} < set(names)
    assert [name for name in names if name.startswith("repack")] == repacked
    assert any(name.startswith("argmax.p") for name in names)


@pytest.mark.parametrize("place", [0, 45, 127])
def test_one_activation_that_is_no_number_makes_every_result_none(device: Device, place: int) -> None:
    """Rounded to integers by blocks, too: nothing of a broken activation may come out as a number."""
    matrix = Matrix("o_proj", 24, 128, "q4_0")
    x = np.random.default_rng(fresh_seed()).standard_normal((1, 128)).astype(np.float32)
    x[0, place] = np.nan
    weights, _ = Draw.fresh().weights(matrix)
    spec = gemv(matrix, Gemv(2, 3, 24, 64), norm_eps=None, outputs=[Binding("out_rows", "f32", ("rows", 24), "w")])
    out = execute(device, spec, {"x": x, **weights}, Params(1), 1)["out_rows"]
    assert (out.view(np.uint32) != POISON).all()
    assert np.isnan(out).all()
