"""Attention of prompts on the simulated NPU inside the runtime: the tokens of the GPU alone, no copy, side by side."""

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
from kernelrt.where import Phases
from tests.fixtures.engine import LAVAPIPE, npu_bundle

CONTEXT = 1024
ERROR = 2e-2  # of logits: attention in bfloat16, in every layer of the prompt


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return npu_bundle("tiny", CONTEXT)


def _opened(bundle: Bundle, where: str) -> Iterator[Engine]:
    options = Options(device=LAVAPIPE, context=CONTEXT, attention=Phases.parse(where), batch=2)
    with Engine.open(bundle, RandomWeights(seed=7), options) as engine:
        yield engine


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Iterator[Engine]:
    """With the attention of prompts on the NPU."""
    yield from _opened(bundle, "prefill=npu")


@pytest.fixture(scope="module")
def gpu_engine(bundle: Bundle) -> Iterator[Engine]:
    yield from _opened(bundle, "gpu")


def _prompt(count: int) -> list[int]:
    return [2, *(int(token) for token in np.random.default_rng(count).integers(200, 500, count - 1))]


def _generated(engine: Engine, prompt: list[int]) -> Result:
    return generate(engine, [prompt], max_tokens=6, stop_ids=(), keep_logits=True)


@pytest.mark.parametrize("count", [5, 700])
def test_the_tokens_are_those_of_the_gpu_alone(engine: Engine, gpu_engine: Engine, count: int) -> None:
    """In one chunk, and in two that are under way together."""
    ours, theirs = (_generated(each, _prompt(count)) for each in (engine, gpu_engine))
    assert ours.generations == theirs.generations
    assert ours.logits is not None
    assert theirs.logits is not None
    error = np.linalg.norm(ours.logits - theirs.logits) / np.linalg.norm(theirs.logits)
    assert 1e-5 < error < ERROR  # not the same arithmetic, and nearly the same result
    used = {(each.phase, each.kernel) for each in engine.operations if "simulated" in each.device}
    assert used == {("prefill", f"npu_prefill.{kind}.s{CONTEXT}.bf16.c512") for kind in ("local", "global")}


def test_gpu_and_npu_work_at_the_same_time(engine: Engine) -> None:
    """What the NPU does of one chunk and the GPU of the other overlaps, as the trace says."""
    before = len(engine.trace.events)
    engine.prefill(0, _prompt(1000))
    events = engine.trace.events[before:]
    lanes = {lane: [each for each in events if each.lane == lane] for lane in ("GPU", "NPU")}
    assert len(lanes["NPU"]) == 2 * engine.model.layers
    overlaps = [
        npu.name
        for npu in lanes["NPU"]
        for gpu in lanes["GPU"]
        if npu.begin < gpu.begin < npu.end and gpu.end < npu.end
    ]
    assert len(overlaps) >= engine.model.layers
    assert engine.trace.encode().startswith(b'[{"ph": "M"')


def test_gpu_and_npu_see_the_same_bytes(engine: Engine) -> None:
    """The buffers that the GPU's kernels bind lie at the NPU's own addresses: there is nothing to copy to."""
    pairs = engine.shared_memory()
    assert {name for name, _, _ in pairs} >= {"npu_q.local", "npu_k.global", "npu_out.local@1"}
    for name, gpu, npu in pairs:
        view = gpu.view()
        assert ctypes.addressof(ctypes.c_char.from_buffer(view)) == npu, name
        del view
    # As planned, but for what the kernels are told (two lanes of each kind) and whole pages.
    shared, planned = sum(gpu.nbytes for _, gpu, _ in pairs), engine.plan.split.shared_bytes(engine.slots)
    assert 0 < planned - shared + 4096 * len(pairs) <= 4096 * (len(pairs) + 4)


@pytest.mark.parametrize(("cut", "npu"), [(250, True), (600, False)])
def test_a_prompt_goes_on_where_it_ended(engine: Engine, cut: int, npu: bool) -> None:
    """Also where the NPU has no instructions for it: then on the GPU."""
    tokens = _prompt(650)
    engine.prefill(0, tokens)
    whole = engine.logits()
    engine.prefill(1, tokens[:cut])
    before = len(engine.trace.events)
    engine.prefill(1, tokens[cut:], start=cut)
    assert np.linalg.norm(engine.logits() - whole) / np.linalg.norm(whole) < ERROR
    assert (len(engine.trace.events) > before) == npu


def test_a_bundle_without_npu_kernels_cannot(bundle: Bundle) -> None:
    bare = Bundle(replace(bundle.manifest, npu_kernels=()), bundle.contents)
    message = "the bundle has no NPU kernel for decode steps in local layers at 1024 tokens; build one with"
    with pytest.raises(MissingKernelError, match=message):
        next(_opened(bare, "npu"))


def test_auto_without_an_npu_is_the_gpu_and_says_so(bundle: Bundle) -> None:
    for engine in _opened(bundle, "auto"):
        assert len(_generated(engine, _prompt(5)).generations[0].tokens) == 6
        assert any("attention runs on the GPU" in note for note in engine.load_report.notes)
        assert not any("NPU" in each.device for each in engine.operations)
