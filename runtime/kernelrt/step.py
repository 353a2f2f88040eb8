"""Steps: what the engine is asked for, what it submits, how long that took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from kernelrt.errors import RunError
from kernelrt.gemma import Finish
from kernelrt.gpu.commands import Submission
from kernelrt.gpu.run import Recording
from kernelrt.sampling import Sampling

_NO_TOKEN = 0xFFFFFFFF  # what argmax and sample give for a row of nothing but NaN


@dataclass(frozen=True, slots=True)
class Step:
    """One sequence's part of a decode step: its latest token, which stands at `position` (from 0) of slot `slot`."""

    slot: int
    token: int
    position: int
    sampling: Sampling = field(default=Sampling())


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Seconds. `gpu` by the device's own clock (None where it has none); `host` is what the CPU did outside of waiting
    for the device, `wait` the waiting; `submissions` how many there were. `between` is what the caller took before, of
    a step that was submitted ahead: the device was at it by then. So `wall` counts from the result before.
    """

    gpu: float | None = 0.0
    host: float = 0.0
    wait: float = 0.0
    submissions: int = 0
    between: float = 0.0

    @property
    def wall(self) -> float:
        return self.between + self.host + self.wait

    def plus(self, other: "StepTimes") -> "StepTimes":
        """The times of both."""
        gpu = None if self.gpu is None or other.gpu is None else self.gpu + other.gpu
        return StepTimes(
            gpu,
            self.host + other.host,
            self.wait + other.wait,
            self.submissions + other.submissions,
            self.between + other.between,
        )


class Submitted:
    """Recordings that go to the device in one submission."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._recordings = tuple(recordings)
        device = self._recordings[0].device
        self._submission = Submission(device, [recording.commands for recording in self._recordings])

    def run(self, since: float) -> StepTimes:
        """Runs it; the host's time counts from `since` (a perf_counter) and includes what is done up to the return."""
        self.start()
        return self.wait(since)

    def start(self) -> None:
        """Submits it and returns at once."""
        for recording in self._recordings:
            recording.must_be_usable()
        self._submission.start()

    def wait(self, since: float, between: float = 0.0) -> StepTimes:
        """Waits for what `start` began; the times as `run` gives them, with what was `between` before."""
        started = perf_counter()
        self._submission.wait()
        done = perf_counter()
        times = [recording.time() for recording in self._recordings]
        gpu = None if None in times else sum(time for time in times if time is not None) * 1e-9
        return StepTimes(gpu, perf_counter() - since - (done - started), done - started, 1, between)


@dataclass(frozen=True, slots=True)
class Program:
    """The layers for a bucket of rows, alone (a chunk that others follow) or with an end that gives tokens."""

    alone: Submitted
    ending: Mapping[Finish, Submitted]

    @staticmethod
    def of(layers: Recording, ends: Mapping[Finish, Recording]) -> "Program":
        """The submissions that these recordings make."""
        return Program(Submitted([layers]), {how: Submitted([layers, end]) for how, end in ends.items()})


@dataclass(frozen=True, slots=True)
class Segments:
    """The GPU's submissions of a program that is cut where the NPU's part is; `ends`: the last one with an end."""

    parts: Sequence[Submitted]
    ends: Mapping[Finish, Submitted]

    @staticmethod
    def of(recorded: Sequence[Recording], ends: Mapping[Finish, Recording]) -> "Segments":
        """The submissions that these recordings make."""
        ending: dict[Finish, Submitted] = {how: Submitted([recorded[-1], end]) for how, end in ends.items()}
        return Segments([Submitted([each]) for each in recorded], ending)

    def ending(self, how: Finish) -> Sequence[Submitted]:
        """All of them, to a next token."""
        return [*self.parts[:-1], self.ends[how]]


def finish_of(sampling: Sampling) -> Finish:
    """Which end of a step chooses a token so."""
    return "sampled" if sampling.temperature > 0 or sampling.repetition_penalty != 1 else "greedy"


def next_tokens(found: Sequence[int], positions: Sequence[int], chained: bool = False) -> list[int]:
    """The next tokens. Raises RunError where one is none; `positions`: where they were made, `chained`: by kernels that
    wait for each other (kernelrt.chain).
    """
    for token, position in zip(found, positions, strict=True):
        if token == _NO_TOKEN:
            order = ", or the device did not begin kernels in their order (for a target without `chains` it need not)"
            raise RunError(
                f"the logits after position {position} are no numbers (NaN): the weights are broken, or a value"
                f" left its range{order if chained else ''}; nothing was generated from them"
            )
    return [int(token) for token in found]
