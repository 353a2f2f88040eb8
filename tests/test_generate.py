"""Generating on lavapipe with random weights: what ends a sequence, batches, seeds, and what is refused."""

from collections.abc import Iterator

import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelrt.engine import Engine
from kernelrt.errors import InputError, RunError
from kernelrt.generate import generate
from kernelrt.model import ModelSpec
from kernelrt.run_plan import Options
from kernelrt.sampling import Sampling
from kernelrt.step import Step
from kernelrt.weights.random import RandomWeights
from tests.fixtures.engine import LAVAPIPE, bundle_of

CONTEXT, SLOTS = 64, 3
PROMPTS = ([2, 17, 40, 300], [2, 5], [7] * 30)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    bundle = bundle_of(ModelSpec.load("tiny"), Buckets(seq=(CONTEXT,), batch=(1, 4)))
    with Engine.open(bundle, RandomWeights(seed=3), Options(device=LAVAPIPE, batch=SLOTS)) as opened:
        yield opened


def test_a_sequence_ends_at_max_tokens(engine: Engine) -> None:
    result = generate(engine, [PROMPTS[0]], max_tokens=5, stop_ids=())
    assert len(result.generations[0].tokens) == 5
    assert result.generations[0].finish_reason == "length"
    assert len(result.prefills) == 1
    assert len(result.steps) == 4


def test_a_sequence_ends_at_a_stop_id_which_it_keeps(engine: Engine) -> None:
    free = generate(engine, [PROMPTS[0]], max_tokens=12, stop_ids=()).generations[0].tokens
    stopped = generate(engine, [PROMPTS[0]], max_tokens=12, stop_ids=(free[6],)).generations[0]
    assert stopped.finish_reason == "stop"
    assert stopped.tokens == free[: free.index(free[6]) + 1]


def test_a_sequence_ends_where_the_caller_says(engine: Engine) -> None:
    heard: list[tuple[int, int]] = []

    def on_token(sequence: int, token: int) -> bool:
        heard.append((sequence, token))
        return len(heard) == 3

    result = generate(engine, [PROMPTS[1]], max_tokens=12, stop_ids=(), on_token=on_token)
    assert result.generations[0].finish_reason == "callback"
    assert heard == [(0, token) for token in result.generations[0].tokens]
    assert len(heard) == 3


def test_a_sequence_ends_where_its_context_is_full(engine: Engine) -> None:
    """The last token was made from a full cache, and needs no entry itself."""
    result = generate(engine, [[2] * (CONTEXT - 2)], max_tokens=100, stop_ids=())
    assert len(result.generations[0].tokens) == 3
    assert result.generations[0].finish_reason == "length"
    whole = generate(engine, [[2] * CONTEXT], max_tokens=100, stop_ids=())
    assert len(whole.generations[0].tokens) == 1


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0, seed=9, top_k=50, repetition_penalty=1.2)])
def test_a_batch_gives_what_its_sequences_give_alone(engine: Engine, sampling: Sampling) -> None:
    """Of different lengths, and more of them than slots."""
    prompts = [*PROMPTS, [100, 3], [44]]
    together = generate(engine, prompts, max_tokens=8, sampling=sampling, stop_ids=())
    for number, (prompt, found) in enumerate(zip(prompts, together.generations, strict=True)):
        own = Sampling(
            sampling.temperature, sampling.top_k, sampling.top_p, sampling.seed + number, sampling.repetition_penalty
        )
        alone = generate(engine, [prompt], max_tokens=8, sampling=own, stop_ids=())
        assert found == alone.generations[0]


def test_a_seed_decides_the_tokens(engine: Engine) -> None:
    def drawn(seed: int) -> tuple[int, ...]:
        sampling = Sampling(temperature=1.5, seed=seed)
        return generate(engine, [PROMPTS[0]], max_tokens=16, sampling=sampling, stop_ids=()).generations[0].tokens

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_top_k_1_is_greedy(engine: Engine) -> None:
    greedy = generate(engine, [PROMPTS[0]], max_tokens=10, stop_ids=())
    top = generate(engine, [PROMPTS[0]], max_tokens=10, sampling=Sampling(temperature=2.0, top_k=1), stop_ids=())
    assert greedy.generations == top.generations


def test_a_repetition_penalty_changes_the_logits_of_what_occurred(engine: Engine) -> None:
    prompt = [2, 17, 40, 300, 17]
    plain = generate(engine, [prompt], max_tokens=1, keep_logits=True, stop_ids=()).logits
    sampling = Sampling(repetition_penalty=2.0)
    result = generate(engine, [prompt], max_tokens=2, keep_logits=True, sampling=sampling, stop_ids=())
    assert plain is not None
    assert result.logits is not None
    expected = plain[0].copy()
    seen = list(set(prompt))
    expected[seen] = np.where(expected[seen] > 0, expected[seen] / 2, expected[seen] * 2)
    np.testing.assert_allclose(result.logits[0], expected, rtol=1e-6)
    assert result.generations[0].tokens[0] == expected.argmax()


def test_a_slot_forgets_what_it_held(engine: Engine) -> None:
    first = generate(engine, [PROMPTS[2]], max_tokens=6, stop_ids=()).generations
    generate(engine, [[9] * 50], max_tokens=6, stop_ids=())
    assert generate(engine, [PROMPTS[2]], max_tokens=6, stop_ids=()).generations == first


def test_a_prompt_in_parts_is_the_prompt(engine: Engine) -> None:
    whole = engine.prefill(0, PROMPTS[2])
    logits = engine.logits()
    engine.prefill(1, PROMPTS[2][:11])
    assert engine.prefill(1, PROMPTS[2][11:], start=11) == whole
    # The one part reads its keys as it made them, the other some of them from the cache: the same halves.
    np.testing.assert_allclose(engine.logits(), logits, rtol=2e-4, atol=2e-4)


def test_logits_are_those_of_the_latest_step(engine: Engine) -> None:
    result = generate(engine, [PROMPTS[0]], max_tokens=4, keep_logits=True, stop_ids=())
    assert result.logits is not None
    assert result.logits.shape == (4, engine.model.vocab)
    assert [int(row.argmax()) for row in result.logits] == list(result.generations[0].tokens)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "the prompt is empty"),
        ([1] * (CONTEXT + 1), f"the prompt has {CONTEXT + 1} tokens; the context holds {CONTEXT}"),
        ([512], "unknown token id 512; tiny has ids 0 to 511"),
        ([-1], "unknown token id -1"),
    ],
)
def test_prompts_that_cannot_be_are_refused(engine: Engine, prompt: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(engine, [prompt], max_tokens=4)


def test_of_several_prompts_the_wrong_one_is_named_before_anything_runs(engine: Engine) -> None:
    with pytest.raises(InputError, match="prompt 2 is empty"):
        generate(engine, [[1], []], max_tokens=4)
    with pytest.raises(InputError, match="--max-tokens: 0 is below 1"):
        generate(engine, [[1]], max_tokens=0)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "0 sequences in a step"),
        ([Step(i % SLOTS, 1, 0) for i in range(SLOTS + 1)], "4 sequences in a step; the engine was opened for 1 to 3"),
        ([Step(0, 1, 0), Step(0, 2, 0)], "two sequences of a step use one slot"),
        ([Step(1, 1, 9)], r"position 9 of slot 1, which holds \d+ tokens: go on there, or begin at 0"),
        ([Step(SLOTS, 1, 0)], "slot 3; the engine has 3"),
        ([Step(0, 1, CONTEXT)], f"{CONTEXT + 1} tokens; the context holds {CONTEXT}"),
        ([Step(0, 512, 0)], "unknown token id 512"),
    ],
)
def test_steps_that_cannot_be_are_refused(engine: Engine, steps: list[Step], message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine.decode(steps)


def test_a_token_is_one_submission_and_its_times_add_up(engine: Engine) -> None:
    engine.prefill(0, PROMPTS[0])
    engine.decode([Step(0, 1, 4)])
    times = engine.times
    assert times.submissions == 1
    assert times.gpu is not None
    assert 0 < times.gpu <= times.wall
    assert times.host > 0
    assert times.wall == times.host + times.wait


def test_without_a_scratch_buffer_nothing_is_measured(engine: Engine) -> None:
    with pytest.raises(RunError, match="there is no scratch buffer"):
        engine.measure_read()


def test_every_operation_names_its_kernel_and_device(engine: Engine) -> None:
    found = {(each.phase, each.rows, each.operation): each for each in engine.operations}
    assert found["decode", 1, "ffn_gate_up"].kernel == "ffn_gate_up.b1.q4_0"
    assert all("llvmpipe" in each.device for each in found.values())
