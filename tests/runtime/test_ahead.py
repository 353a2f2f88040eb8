"""Steps that are submitted ahead: the tokens are those of steps one at a time, and a step in vain leaves no trace."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelrt.engine import Engine
from kernelrt.errors import RunError
from kernelrt.generate import generate
from kernelrt.inputs import Inputs
from kernelrt.model import ModelSpec
from kernelrt.opened import Opened, opened
from kernelrt.recount import Recount
from kernelrt.run_plan import Options
from kernelrt.sampling import Sampling
from kernelrt.slots import Slots
from kernelrt.step import Step, Submitted
from kernelrt.weights.random import RandomWeights
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import write_folder
from tests.fixtures.engine import LAVAPIPE, bundle_of
from tests.oracle.weights import tensors

CONTEXT, SLOTS, RING = 64, 3, 16
PROMPTS = ([2, 17, 40, 300], [2, 5], [7, 11] * 12)  # the last is past the ring's end
GREEDY, DRAWN = Sampling(), Sampling(temperature=1.0, seed=9, top_k=50, repetition_penalty=1.5)
NAN = 0x7FC00000


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """With weights that do not merely repeat the latest token (Config.branch)."""
    model = ModelSpec.load("tiny")
    weights = write_folder(tmp_path_factory.mktemp("weights"), model, tensors(model, 5, branch=8.0))
    bundle = bundle_of(model, Buckets(seq=(CONTEXT,), batch=(1, 4), quant="q8_0"))
    options = Options(device=LAVAPIPE, batch=SLOTS)
    with (
        open_checkpoint(weights) as checkpoint,
        opened(bundle, checkpoint, options, lambda what, done, total: None) as it,
    ):
        yield it


@pytest.fixture(scope="module")
def engine(found: Opened) -> Engine:
    assert RING == found.plan.model.window < CONTEXT
    return Engine(found)


def _prefilled(engine: Engine, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[Step]:
    """The first step behind each prompt, in the slot of its number."""
    drawn = [engine.prefill(slot, prompt, sampling=sampling) for slot, prompt in enumerate(prompts)]
    return [Step(slot, token, len(prompts[slot]), sampling) for slot, token in enumerate(drawn)]


def _next(steps: Sequence[Step], tokens: Sequence[int]) -> list[Step]:
    return [replace(step, token=token, position=step.position + 1) for step, token in zip(steps, tokens, strict=True)]


def _decoded(engine: Engine, steps: list[Step], count: int, ahead: bool) -> list[list[int]]:
    """`count` steps from `steps` on; with `ahead` the last of them leaves one under way."""
    found: list[list[int]] = []
    for step in range(count):
        found.append(engine.decode(steps, ahead))
        assert engine.times.submissions == 1
        assert (engine.times.between > 0) == (ahead and step > 0), "a step ahead is what the next call takes"
        steps = _next(steps, found[-1])
    return found


def _alone(engine: Engine, prompt: Sequence[int], sampling: Sampling, count: int) -> list[int]:
    """`count` tokens, one step at a time."""
    (step,) = _prefilled(engine, [prompt], sampling)
    return [step.token, *(row[0] for row in _decoded(engine, [step], count - 1, False))]


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
@pytest.mark.parametrize("count", [1, SLOTS])
def test_the_tokens_are_those_of_steps_one_at_a_time(engine: Engine, sampling: Sampling, count: int) -> None:
    prompts = PROMPTS[-count:]
    expected = _decoded(engine, _prefilled(engine, prompts, sampling), 20, False)
    assert len({tuple(row) for row in expected}) > 5, f"a text that says nothing shows nothing: {expected}"
    assert _decoded(engine, _prefilled(engine, prompts, sampling), 20, True) == expected


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_whatever_ends_a_sequence(engine: Engine, sampling: Sampling) -> None:
    """A stop id, the caller, the length, the context: each prompt gets what it gets alone, more of them than slots."""
    prompts = [*PROMPTS, [100, 3], [44] * (CONTEXT - 5), [9, 8, 7]]
    most = 14
    of_seed = [replace(sampling, seed=sampling.seed + number) for number in range(len(prompts))]
    lengths = [min(most, CONTEXT - len(prompt) + 1) for prompt in prompts]
    texts = [_alone(engine, *each) for each in zip(prompts, of_seed, lengths, strict=True)]
    stop = texts[0][5]

    def on_token(number: int, token: int) -> bool:
        heard[number].append(token)
        return number == 3 and len(heard[number]) == 4

    heard: list[list[int]] = [[] for _ in prompts]
    result = generate(engine, prompts, max_tokens=most, sampling=sampling, stop_ids=(stop,), on_token=on_token)
    for number, (generation, text) in enumerate(zip(result.generations, texts, strict=True)):
        text = text[:4] if number == 3 else text
        stopped = stop in text
        assert list(generation.tokens) == (text[: text.index(stop) + 1] if stopped else text) == heard[number]
        assert generation.finish_reason == ("stop" if stopped else "callback" if number == 3 else "length")
    assert any(times.between for times in result.steps), "no step was submitted ahead"


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
@pytest.mark.parametrize("prompt", PROMPTS, ids=len)
def test_a_slot_goes_on_after_a_step_in_vain(engine: Engine, sampling: Sampling, prompt: list[int]) -> None:
    """By a prompt or by a step, with another token than the one in vain: the same logits to the bit, and so the same
    keys and counted tokens.
    """

    def logits(ahead: bool, by_prompt: bool) -> list[np.ndarray]:
        steps = _prefilled(engine, [prompt], sampling)
        texts = _decoded(engine, steps, 5, ahead)
        position, known = len(prompt) + 5, {*prompt, steps[0].token, *(row[0] for row in texts)}
        counted = {*prompt, steps[0].token, *(row[0] for row in texts[:-1])}
        assert sampling == GREEDY or texts[-1][0] not in counted, "what counts already shows nothing"
        other = next(token for token in range(300, 512) if token not in known)
        if by_prompt:
            engine.prefill(0, [other, *PROMPTS[0]], position, sampling)
            return [engine.logits()]
        found: list[np.ndarray] = []
        for i in range(RING + 2):
            engine.decode([Step(0, other if i == 0 else 100 + i, position + i, sampling)])
            found.append(engine.logits())
        return found

    for by_prompt in (True, False):
        for ours, theirs in zip(logits(True, by_prompt), logits(False, by_prompt), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_some_of_the_sequences_take_their_part_of_a_step(engine: Engine) -> None:
    """In any order; the others' part was in vain. All of them again, and one with another token: that is a new step."""
    rest = [2, 0]

    def tokens(ahead: bool) -> list[list[int]]:
        steps = _prefilled(engine, PROMPTS, DRAWN)
        found = _decoded(engine, steps, 4, ahead)
        steps = [replace(step, token=found[-1][step.slot], position=step.position + 4) for step in steps]
        some = [steps[slot] for slot in rest]
        found.append(engine.decode(some, ahead))
        assert (engine.times.between > 0) == ahead
        assert engine.times.submissions == 1
        some = _next(some, found[-1])
        found.append(engine.decode(some, ahead))  # nothing was under way: other rows than before
        assert (engine.times.between, engine.times.submissions) == (0, 1)
        some = _next(some, found[-1])
        everyone = [steps[1], *some]
        found.append(engine.decode(everyone, ahead))
        assert (engine.times.between, engine.times.submissions) == (0, 5 if ahead else 1)  # one in vain; all count anew
        everyone = _next(everyone, found[-1])
        everyone[2] = replace(everyone[2], token=everyone[2].token ^ 1)
        found.append(engine.decode(everyone))
        return found

    assert tokens(True) == tokens(False)


def test_rows_in_another_order_are_not_followed(engine: Engine) -> None:
    """The step that is under way has their results, and leaves them where a step in the new order would not look."""
    steps = _prefilled(engine, PROMPTS, GREEDY)
    turned = _next(steps, engine.decode(steps, ahead=True))[::-1]
    found = engine.decode(turned, ahead=True)
    assert engine.times.between > 0
    engine.decode(_next(turned, found))
    assert (engine.times.between, engine.times.submissions) == (0, 1)


def test_a_sequence_that_begins_with_a_step_counts_no_other(engine: Engine) -> None:
    """Nor what the slot held before: a greedy step does not count, and so forgets nothing on the device."""

    def logits(before: Sequence[int]) -> np.ndarray:
        engine.prefill(0, before, sampling=DRAWN)
        engine.decode([Step(0, 5, 0)])
        engine.decode([Step(0, 6, 1, DRAWN)])
        return engine.logits()[0]

    np.testing.assert_array_equal(logits(range(100, 130)), logits([6]))


def test_tokens_are_counted_anew_in_parts(found: Opened) -> None:
    """As many times as a chunk has room for; those that a greedy step took do not count; none at all count too."""
    held, inputs = Slots(SLOTS, CONTEXT), Inputs.of(found.machine.buffers, 0)
    count, seen = Submitted([found.machine.record([found.plan.count])]), found.machine.buffers["seen"]

    def counted(most: int) -> bytes:
        seen.fill(0xFFFFFFFF)
        held.miscounts(1)
        Recount(count, most, inputs, held).run([0, 1])
        return seen.read()

    held.put(1, 0, [], counted=False)
    none = counted(5)
    assert none.strip(b"\xff"), "none at all forgets what was counted"
    held.put(1, 0, range(30, 42))
    held.put(1, 12, [50], counted=False)
    whole = counted(CONTEXT)
    held.put(1, 13, [51])
    assert len({none, whole, counted(CONTEXT)}) == 3
    assert counted(5) == counted(13) == counted(CONTEXT)


def test_nothing_is_submitted_past_the_contexts_end(engine: Engine) -> None:
    steps = _prefilled(engine, [[3, 5] * (CONTEXT // 2 - 1)], GREEDY)
    steps = _next(steps, engine.decode(steps, ahead=True))
    engine.decode(steps, ahead=True)
    assert engine.times.between > 0
    engine.prefill(0, PROMPTS[0])
    assert engine.times.submissions == 1


def test_a_step_in_vain_is_counted(engine: Engine) -> None:
    """With what it delayed: its submission, and the time until it was over."""
    _decoded(engine, _prefilled(engine, [PROMPTS[0]], GREEDY), 2, True)
    engine.prefill(0, PROMPTS[0])
    assert engine.times.submissions == 2


def test_logits_that_do_not_stay_are_refused(engine: Engine) -> None:
    steps = _prefilled(engine, [PROMPTS[0]], GREEDY)
    for ahead in (True, False):
        steps = _next(steps, engine.decode(steps, ahead))
        with pytest.raises(RunError, match="the latest step left no logits: decode it, and the one before, without"):
            engine.logits()
    (drawn,) = engine.decode(steps)
    assert engine.logits()[0].argmax() == drawn


def test_an_error_of_the_caller_leaves_the_engine_usable(engine: Engine) -> None:
    """It comes while a step is under way, in the middle of a batch."""
    heard: list[int] = []

    def on_token(number: int, token: int) -> bool:
        heard.append(token)
        if len(heard) == 10:
            raise ValueError("enough")
        return False

    expected = generate(engine, PROMPTS, max_tokens=9, sampling=DRAWN, stop_ids=()).generations
    with pytest.raises(ValueError, match="enough"):
        generate(engine, PROMPTS, max_tokens=9, sampling=DRAWN, stop_ids=(), on_token=on_token)
    assert generate(engine, PROMPTS, max_tokens=9, sampling=DRAWN, stop_ids=()).generations == expected


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_logits_that_are_no_numbers_while_a_step_is_under_way(
    found: Opened, engine: Engine, sampling: Sampling
) -> None:
    """The error is that of a step alone. The step ahead then has a token that there is not, and leaves NaN in its entry
    of every cache; nothing reads that when the slot goes on, nor what the rings held there before.
    """
    norm = found.machine.buffers["final_norm"]
    weights, more = norm.read(), [50, 60, 70]

    def logits(ahead: bool) -> list[np.ndarray]:
        (step,) = _prefilled(engine, [PROMPTS[2]], sampling)
        norm.fill(NAN)
        with pytest.raises(RunError, match=f"the logits after position {step.position} are no numbers"):
            engine.decode([step], ahead)
        norm.write(weights)
        engine.prefill(0, more, step.position + 1, sampling)
        after = [engine.logits()]
        engine.decode([Step(0, 80, step.position + 1 + len(more), sampling)])
        return [*after, engine.logits()]

    for ours, theirs in zip(logits(True), logits(False), strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_array_equal(ours, theirs)


def test_an_engine_is_closed_while_a_step_is_under_way(found: Opened) -> None:
    """What was submitted is waited for before anything of it is freed."""
    bundle = bundle_of(found.plan.model, Buckets(seq=(CONTEXT,), batch=(1, 4), quant="q8_0"))
    with Engine.open(bundle, RandomWeights(seed=1), Options(device=LAVAPIPE)) as engine:
        _decoded(engine, _prefilled(engine, [PROMPTS[0]], GREEDY), 1, True)
