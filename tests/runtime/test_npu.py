"""Prefill attention on the simulated NPU inside the runtime: the tokens of the GPU alone, no copy, side by side."""

import ctypes
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from kernelrt.bundle import Bundle
from kernelrt.engine import Engine
from kernelrt.errors import MissingKernelError
from kernelrt.generate import Result, generate
from kernelrt.run_plan import Options
from kernelrt.weights.random import RandomWeights
from tests.fixtures.engine import LAVAPIPE, npu_bundle

CONTEXT = 1024
ERROR = 2e-2  # of logits: attention in bfloat16, in every layer of the prompt


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return npu_bundle("tiny", CONTEXT)


def _prompt(count: int) -> list[int]:
    return [2, *(int(token) for token in np.random.default_rng(count).integers(200, 500, count - 1))]


def _generated(bundle: Bundle, where: str, prompt: list[int]) -> tuple[Result, Engine]:
    options = Options(device=LAVAPIPE, context=CONTEXT, attention=where)  # pyright: ignore[reportArgumentType]  # a Where
    with Engine.open(bundle, RandomWeights(seed=7), options) as engine:
        return generate(engine, [prompt], max_tokens=6, stop_ids=(), keep_logits=True), engine


@pytest.mark.parametrize("count", [5, 700])
def test_the_tokens_are_those_of_the_gpu_alone(bundle: Bundle, count: int) -> None:
    """In one chunk, and in two that are under way together."""
    (ours, engine), (theirs, _) = (_generated(bundle, where, _prompt(count)) for where in ("npu", "gpu"))
    assert ours.generations == theirs.generations
    assert ours.logits is not None
    assert theirs.logits is not None
    error = np.linalg.norm(ours.logits - theirs.logits) / np.linalg.norm(theirs.logits)
    assert 1e-5 < error < ERROR  # not the same arithmetic, and nearly the same result
    used = {each.kernel for each in engine.operations if "simulated" in each.device}
    assert used == {f"npu_prefill.{kind}.s{CONTEXT}.bf16.c512" for kind in ("local", "global")}


def test_gpu_and_npu_work_at_the_same_time(bundle: Bundle) -> None:
    """What the NPU does of one chunk and the GPU of the other overlaps, as the trace says."""
    _, engine = _generated(bundle, "npu", _prompt(1000))
    lanes = {lane: [each for each in engine.trace.events if each.lane == lane] for lane in ("GPU", "NPU")}
    assert len(lanes["NPU"]) == 2 * engine.model.layers
    overlaps = [
        npu.name
        for npu in lanes["NPU"]
        for gpu in lanes["GPU"]
        if npu.begin < gpu.begin < npu.end and gpu.end < npu.end
    ]
    assert len(overlaps) >= engine.model.layers
    assert engine.trace.encode().startswith(b'[{"ph": "M"')


@pytest.fixture
def open_engine(bundle: Bundle) -> Iterator[Engine]:
    options = Options(device=LAVAPIPE, context=CONTEXT, attention="npu", batch=2)
    with Engine.open(bundle, RandomWeights(seed=7), options) as engine:
        yield engine


def test_gpu_and_npu_see_the_same_bytes(open_engine: Engine) -> None:
    """The buffers that the GPU's kernels bind lie at the NPU's own addresses: there is nothing to copy to."""
    pairs = open_engine.shared_memory()
    assert {name for name, _, _ in pairs} >= {"npu_q.local", "npu_k.global", "npu_out.local@1"}
    for name, gpu, npu in pairs:
        view = gpu.view()
        assert ctypes.addressof(ctypes.c_char.from_buffer(view)) == npu, name
        del view


@pytest.mark.parametrize(("cut", "npu"), [(250, True), (600, False)])
def test_a_prompt_goes_on_where_it_ended(open_engine: Engine, cut: int, npu: bool) -> None:
    """Also where the NPU has no instructions for it: then on the GPU."""
    tokens = _prompt(650)
    open_engine.prefill(0, tokens)
    whole = open_engine.logits()
    open_engine.prefill(1, tokens[:cut])
    before = len(open_engine.trace.events)
    open_engine.prefill(1, tokens[cut:], start=cut)
    assert np.linalg.norm(open_engine.logits() - whole) / np.linalg.norm(whole) < ERROR
    assert (len(open_engine.trace.events) > before) == npu


def test_a_bundle_without_npu_kernels_cannot(bundle: Bundle) -> None:
    bare = Bundle(replace(bundle.manifest, npu_kernels=()), bundle.contents)
    with pytest.raises(MissingKernelError, match="the bundle has no NPU kernel for local layers at 1024 tokens"):
        _generated(bare, "npu", _prompt(5))


def test_auto_without_an_npu_is_the_gpu_and_says_so(bundle: Bundle) -> None:
    result, engine = _generated(bundle, "auto", _prompt(5))
    assert len(result.generations[0].tokens) == 6
    assert any("attention runs on the GPU" in note for note in engine.load_report.notes)
    assert not any("NPU" in each.device for each in engine.operations)
