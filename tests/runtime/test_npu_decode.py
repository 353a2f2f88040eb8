"""Attention of decode steps on the simulated NPU inside the runtime: tokens, memory, choices, a lost NPU."""

import ctypes
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kernelrt.bundle import Bundle
from kernelrt.engine import Engine
from kernelrt.errors import InputError, MissingKernelError
from kernelrt.generate import OnToken, Result, generate
from kernelrt.gpu.device import Device
from kernelrt.model import ModelSpec
from kernelrt.npu.choose import chosen
from kernelrt.npu.offload import Offload
from kernelrt.opened import opened
from kernelrt.run_plan import Options, plan_run
from kernelrt.weights.source import open_checkpoint
from kernelrt.where import Phases
from tests.cli.process import kernelrt
from tests.fixtures.checkpoints import write_folder
from tests.fixtures.engine import LAVAPIPE, npu_bundle
from tests.oracle.weights import tensors

CONTEXT = 1024
ERROR = 2e-2  # of logits: attention in bfloat16, in every layer


def _prompt(count: int, vocab: int) -> list[int]:
    return [2, *(int(token) for token in np.random.default_rng(count).integers(vocab // 2, vocab, count - 1))]


def _options(attention: str, context: int = CONTEXT, batch: int = 1) -> Options:
    return Options(LAVAPIPE, context, batch, attention=Phases.parse(attention))


def _weights(folder: Path, name: str, seed: int) -> Path:
    """Random ones that do not merely repeat the latest token (Config.branch)."""
    model = ModelSpec.load(name)
    return write_folder(folder, model, tensors(model, seed, branch=8.0))


@contextmanager
def _engine(bundle: Bundle, weights: Path, options: Options) -> Generator[tuple[Engine, Offload | None]]:
    with (
        open_checkpoint(weights) as checkpoint,
        opened(bundle, checkpoint, options, lambda what, done, total: None) as found,
    ):
        yield Engine(found), found.offload


def _generated(engine: Engine, prompts: Sequence[list[int]], on_token: OnToken | None = None) -> Result:
    return generate(engine, prompts, max_tokens=8, stop_ids=(), on_token=on_token, keep_logits=True)


def _error(ours: NDArray[np.float32] | None, theirs: NDArray[np.float32] | None) -> float:
    assert ours is not None
    assert theirs is not None
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def _moved(engine: Engine) -> bool:
    """Whether all is the GPU's now, and the user can know why."""
    (note,) = engine.notes
    assert note.startswith("attention moved from the NPU to the GPU: the NPU simulator (npu1) can no longer be used")
    return not any("NPU" in each.device for each in engine.operations)


def test_the_tokens_are_those_of_the_gpu_alone(tmp_path: Path) -> None:
    """With keys past the ends of the GPU's rings (16) and of the NPU's (256), two sequences at places of their own.

    Where the NPU is lost while a prompt goes on, the GPU computes all of it again.
    """
    bundle, weights = npu_bundle("tiny", CONTEXT), _weights(tmp_path, "tiny", 5)
    prompts = _prompt(252, 512), _prompt(9, 512)
    with _engine(bundle, weights, _options("gpu", batch=2)) as (engine, _):
        theirs = _generated(engine, prompts)
    with _engine(bundle, weights, _options("npu", batch=2)) as (engine, offload):
        assert offload is not None
        _generated(engine, [_prompt(40, 512)])  # what an earlier sequence left in a slot is no one's
        ours = _generated(engine, prompts)
        on_npu = {(each.phase, each.kernel) for each in engine.operations if "simulated" in each.device}
        _check_memory(offload, engine.model.layers)
        engine.prefill(1, prompts[0][:200])
        offload.npu.close()
        engine.prefill(1, prompts[0][200:], start=200)
        again = engine.logits()
        assert _moved(engine)
    assert ours.generations == theirs.generations
    assert 1e-5 < _error(ours.logits, theirs.logits) < ERROR  # not the same arithmetic, and nearly the same result
    assert theirs.logits is not None
    assert _error(again, theirs.logits[:1]) < 1e-6
    caches = {
        "prefill": ("local.s1024.bf16.c512", "global.s1024.bf16.c512"),
        "decode": ("local.s256.bf16", "global.s1024.bf16"),
    }
    assert on_npu == {(phase, f"npu_{phase}.{cache}") for phase, names in caches.items() for cache in names}


def _check_memory(offload: Offload, layers: int) -> None:
    """The caches, queries and results that the GPU's kernels bind lie at the NPU's own addresses."""
    caches = {f"npu_cache.{layer}.{name}" for layer in range(layers) for name in "kv"}
    assert {name for name, _, _ in offload.shared()} > {"npu_step.q", "npu_step.out", *caches}
    for name, gpu, npu in offload.shared():
        view = gpu.view()
        assert ctypes.addressof(ctypes.c_char.from_buffer(view)) == npu, name
        del view


def test_steps_alone_of_a_model_of_odd_sizes(tmp_path: Path) -> None:
    """As the trace shows. Where the NPU is lost, the GPU computes the step again and all that follow."""
    bundle, weights = npu_bundle("tiny-odd", 256), _weights(tmp_path, "tiny-odd", 3)
    prompt = _prompt(21, 300)
    with _engine(bundle, weights, _options("gpu", 256)) as (engine, _):
        theirs = _generated(engine, [prompt])
    with _engine(bundle, weights, _options("decode=npu", 256)) as (engine, offload):
        assert offload is not None
        ours = _generated(engine, [prompt])
        events, layers = list(engine.trace.events), engine.model.layers
        taken: list[int] = []

        def losing(sequence: int, token: int) -> bool:
            taken.append(token)
            return bool(len(taken) == 4 and offload.npu.close())

        without = _generated(engine, [prompt], losing)
        assert _moved(engine)
    assert ours.generations == theirs.generations == without.generations
    assert 1e-5 < _error(ours.logits, theirs.logits) < ERROR
    assert ours.logits is not None
    assert theirs.logits is not None
    assert without.logits is not None
    assert np.array_equal(without.logits[:4], ours.logits[:4])
    assert 0 < _error(without.logits[4:], theirs.logits[4:]) < ERROR  # on keys of the steps before
    turns = [(lane, f"{what} {i}") for i in range(layers) for lane, what in (("GPU", "segment"), ("NPU", "attention"))]
    step = [(each.lane, each.name) for each in events if each.name.endswith(" of step at 24")]
    assert step == [(lane, f"{name} of step at 24") for lane, name in (*turns, ("GPU", f"segment {layers}"))]
    assert len([each for each in events if each.lane == "NPU"]) == layers * 7


def test_what_a_bundle_has_no_npu_kernels_for(device: Device) -> None:
    """Is refused, or with "auto" left to the GPU with a note."""
    bundle = npu_bundle("tiny", CONTEXT)
    kernels = tuple(each for each in bundle.manifest.npu_kernels if each.tags["phase"] == "prefill")
    prompts_only = Bundle(replace(bundle.manifest, npu_kernels=kernels), bundle.contents)
    bare = Bundle(replace(bundle.manifest, npu_kernels=()), bundle.contents)
    assert plan_run(prompts_only, device.info, _options("prefill=npu")).split.prefill is not None
    message = r"no NPU kernel for decode steps in local layers at 1024 tokens; build one with .* leave it to the GPU"
    with pytest.raises(MissingKernelError, match=message):
        plan_run(prompts_only, device.info, _options("npu"))
    with pytest.raises(MissingKernelError, match="no NPU kernel for prompts in local layers at 1024 tokens"):
        plan_run(bare, device.info, _options("prefill=npu"))
    left = plan_run(bare, device.info, _options("prefill=auto"))
    assert (left.split.prefill, left.split.decode) == (None, None)
    assert left.notes[0].startswith("attention of prompts runs on the GPU: the bundle has no NPU kernel for prompts")


def test_auto_means_no_simulator() -> None:
    npu, phases, notes = chosen(npu_bundle("tiny", CONTEXT).manifest.npu_kernels, Phases("auto", "npu"))
    assert npu is not None
    npu.close()
    assert (npu.level, phases) == ("simulated", Phases("gpu", "npu"))
    assert len(notes) == 1
    assert chosen((), Phases("gpu", "auto")) == (None, Phases(), ())  # steps are the GPU's, wherever it is


@pytest.mark.parametrize(
    ("text", "prefill", "decode"),
    [
        ("npu", "npu", "npu"),
        ("auto", "auto", "auto"),
        ("decode=npu", "gpu", "npu"),
        ("decode=gpu,prefill=auto", "auto", "gpu"),
    ],
)
def test_where_attention_runs(text: str, prefill: str, decode: str) -> None:
    assert Phases.parse(text) == Phases(prefill, decode)  # pyright: ignore[reportArgumentType]  # each is a Where


@pytest.mark.parametrize("text", ["", "cpu", "prefill", "prefill=", "encode=npu", "decode=npu,decode=gpu", "npu,gpu"])
def test_what_names_no_device_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--attention: expected npu, gpu, auto, or .* prefill=npu,decode=gpu, got '"):
        Phases.parse(text)


def test_the_command_refuses_it_before_anything_else() -> None:
    done = kernelrt("run", "--bundle", "nowhere", "--random-weights", "--tokens", "2", "--attention", "decode:npu")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --attention: expected npu, gpu, auto, or one of them for a phase")
