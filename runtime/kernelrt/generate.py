"""Generating: prompts in, tokens out, several sequences at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernelrt.ahead import pays
from kernelrt.engine import Engine
from kernelrt.errors import InputError
from kernelrt.sampling import Sampling
from kernelrt.step import Step, StepTimes

# "stop": a stop id; "length": max_tokens, or the context is full; "callback": the caller had enough.
FinishReason = Literal["stop", "length", "callback"]
OnToken = Callable[[int, int], bool]  # (sequence, token) -> whether that sequence is to end here


@dataclass(frozen=True, slots=True)
class Generation:
    """What one prompt gave: the tokens, a stop id included where one ended it."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Result:
    """What `generate` gave. `prefills` has the times of each prompt, `steps` those of each decode step, in order, and
    both those of what was submitted ahead in vain before them.

    `logits` of the first sequence, float32 [tokens, vocab], where they were kept: row 0 is what follows the prompt.
    """

    generations: tuple[Generation, ...]
    prefills: tuple[StepTimes, ...]
    steps: tuple[StepTimes, ...]
    logits: NDArray[np.float32] | None = None

    @property
    def prefill_s(self) -> float:
        return sum(times.wall for times in self.prefills)

    @property
    def decode_s(self) -> float:
        return sum(times.wall for times in self.steps)


@dataclass(slots=True)
class _Sequence:
    """One that is being generated: `tokens` so far, the last of which no step has taken yet."""

    number: int
    prompt: tuple[int, ...]
    slot: int
    tokens: list[int] = field(default_factory=list[int])
    finish_reason: FinishReason | None = None

    @property
    def position(self) -> int:
        """Where its latest token stands."""
        return len(self.prompt) + len(self.tokens) - 1


def generate(
    engine: Engine,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    sampling: Sampling | None = None,
    stop_ids: Iterable[int] | None = None,
    on_token: OnToken | None = None,
    keep_logits: bool = False,
) -> Result:
    """Generates up to `max_tokens` tokens for each prompt (token ids), as many at a time as the engine has slots.

    `stop_ids` end a sequence (None: the model's EOS ids). A sequence whose context is full ends too. With several
    prompts, sequence i draws with seed sampling.seed + i. Raises InputError for a prompt that is empty, longer than the
    context or with unknown ids, before anything is computed.
    """
    stops = frozenset(engine.model.eos_ids if stop_ids is None else stop_ids)
    _check(engine, prompts, max_tokens)
    run = _Run(engine, sampling or Sampling(), max_tokens, stops, on_token, keep_logits)
    return run.all(prompts)


def _check(engine: Engine, prompts: Sequence[Sequence[int]], max_tokens: int) -> None:
    if max_tokens < 1:
        raise InputError(f"--max-tokens: {max_tokens} is below 1")
    for number, prompt in enumerate(prompts):
        which = f"prompt {number + 1}" if len(prompts) > 1 else "the prompt"
        if not prompt:
            raise InputError(f"{which} is empty: at least one token is needed")
        if len(prompt) > engine.context:
            raise InputError(f"{which} has {len(prompt)} tokens; the context holds {engine.context}")
        engine.check_tokens(prompt)


class _Run:
    def __init__(
        self,
        engine: Engine,
        sampling: Sampling,
        max_tokens: int,
        stops: frozenset[int],
        on_token: OnToken | None,
        keep_logits: bool,
    ) -> None:
        self.engine = engine
        self.sampling = sampling
        self.max_tokens = max_tokens
        self.stops = stops
        self.on_token = on_token
        self.logits: list[NDArray[np.float32]] | None = [] if keep_logits else None
        self.prefills: list[StepTimes] = []
        self.steps: list[StepTimes] = []

    def all(self, prompts: Sequence[Sequence[int]]) -> Result:
        waiting = deque(enumerate(tuple(prompt) for prompt in prompts))
        free = deque(range(self.engine.slots))
        live: list[_Sequence] = []
        done: dict[int, Generation] = {}
        while waiting or live:
            # Those that go on first take what is under way.
            while waiting and free and not (live and self.engine.under_way):
                number, prompt = waiting.popleft()
                live.append(self._begin(_Sequence(number, prompt, free.popleft())))
            if any(sequence.finish_reason is None for sequence in live):
                self._step([sequence for sequence in live if sequence.finish_reason is None], bool(waiting and free))
            for sequence in live:
                if sequence.finish_reason is not None:
                    done[sequence.number] = Generation(sequence.prompt, tuple(sequence.tokens), sequence.finish_reason)
                    free.append(sequence.slot)
            live = [sequence for sequence in live if sequence.finish_reason is None]
        logits = None if self.logits is None else np.stack(self.logits)
        generations = tuple(done[number] for number in range(len(prompts)))
        return Result(generations, tuple(self.prefills), tuple(self.steps), logits)

    def _begin(self, sequence: _Sequence) -> _Sequence:
        token = self.engine.prefill(sequence.slot, sequence.prompt, sampling=self._sampling(sequence))
        self.prefills.append(self.engine.times)
        self._keep(sequence, 0, 1)
        self._take(sequence, token)
        return sequence

    def _step(self, sequences: Sequence[_Sequence], last: bool) -> None:
        """A step of these sequences; the `last` of them alone, for others join."""
        ahead = not last and self.logits is None and all(self._goes_on(each) for each in sequences)
        steps = [Step(each.slot, each.tokens[-1], each.position, self._sampling(each)) for each in sequences]
        found = self.engine.decode(steps, ahead and pays(self.steps))
        self.steps.append(self.engine.times)
        for row, (sequence, token) in enumerate(zip(sequences, found, strict=True)):
            self._keep(sequence, row, len(sequences))
            self._take(sequence, token)

    def _goes_on(self, sequence: _Sequence) -> bool:
        """Whether another step follows the next one, as far as is known."""
        return len(sequence.tokens) + 1 < self.max_tokens and sequence.position + 1 < self.engine.context

    def _sampling(self, sequence: _Sequence) -> Sampling:
        seed = (self.sampling.seed + sequence.number) % (1 << 32)
        return replace(self.sampling, seed=seed)

    def _keep(self, sequence: _Sequence, row: int, rows: int) -> None:
        if self.logits is not None and sequence.number == 0:
            self.logits.append(self.engine.logits(rows)[row])

    def _take(self, sequence: _Sequence, token: int) -> None:
        sequence.tokens.append(token)
        enough = self.on_token is not None and self.on_token(sequence.number, token)
        if token in self.stops:
            sequence.finish_reason = "stop"
        elif enough:
            sequence.finish_reason = "callback"
        elif len(sequence.tokens) >= self.max_tokens or sequence.position >= self.engine.context:
            sequence.finish_reason = "length"
