"""The search: size by size in each group, from the target's own values on, as long as there is time.

Deterministic but for the figures. Whatever ran against each other is a batch of the file (kernelc.tune.result), which
is written after each: a search that goes on finds its batches there again, by all that they compiled, and takes their
figures.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from kernelc.toolchain.errors import CompileError
from kernelc.toolset import Toolset
from kernelc.tune.candidate import Candidate, Compiled, batch_key, candidate, compiled
from kernelc.tune.result import Batch, Figure, Tuning
from kernelc.tune.space import Group, Space, ladder
from kernelrt.errors import InputError, RunError
from kernelrt.gpu.errors import GpuError

PASSES = 4  # over all sizes of a group; most settle in two


class OutOfTimeError(Exception):
    """The budget is used up. Never seen by a user."""


class Judge(Protocol):
    """Who knows how long kernels take. Above `margin` times its time the incumbent stays."""

    margin: float

    def times(
        self, contenders: Sequence[Sequence[Compiled]], check: Callable[[], None]
    ) -> list[dict[str, float] | GpuError]:
        """Microseconds of each contender's kernels by name, or why the device refuses it; `check` may end it."""
        ...

    def leave(self) -> None:
        """The next contenders are kernels of another group."""
        ...


@dataclass(slots=True)
class State:
    """Where the search in a group stands: the best sizes, their part of the first time, and what was tried."""

    group: Group
    best: dict[str, int] = field(default_factory=dict[str, int])
    ratio: float = 1.0
    tried: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])


@dataclass(slots=True)
class Search:
    """`found`: what the file at `path` holds, or the beginning; `told` gets a line for each batch that was run."""

    space: Space
    tools: Toolset
    judge: Judge
    path: Path
    found: Tuning
    seconds: float
    told: Callable[[str], None]
    written: Tuning | None = None

    def run(self, groups: Sequence[Group]) -> list[State]:
        """Searches until nothing gets better or the seconds are over; `found` and the file then have all of it.

        FileError where the file cannot be written, RunError where the time is too short for anything, ToolError,
        GpuError.
        """
        end = time.monotonic() + self.seconds
        states = [State(group) for group in groups]
        moving = states
        try:
            for number in range(PASSES):
                # Every group has its first pass before one has a second: the budget may not last for more.
                moving = [state for state in moving if self._pass(state, number, states, end) or not number]
            self.found = replace(self.found, complete=True)
        except OutOfTimeError:
            self.found = replace(self.found, complete=False)
            if not self.found.batches:
                raise RunError(
                    f"{self.seconds:g} s are too short for the first comparison; nothing was found"
                ) from None
        self._save(states)
        return states

    def _pass(self, state: State, number: int, states: Sequence[State], end: float) -> bool:
        """Tries other values for each size of a group; whether one was better."""
        self.judge.leave()
        moved = False
        for key in state.group.keys:
            now = state.best.get(key, self.space.target.tune.get(key, 0))
            values = ladder(self.space.target, key, now if number else 0)
            candidates = self._candidates(state, [{**state.best, key: value} for value in values])
            if len(candidates) > 1:
                moved |= self._batch(state, candidates, states, end)
        return moved

    def _candidates(self, state: State, sizes: Iterable[dict[str, int]]) -> list[Candidate]:
        """The incumbent, and those of the sizes that the plan takes and that make kernels not tried yet."""
        first = self._made(state.group, state.best)
        found = {first.key: first}
        for tune in sizes:
            try:
                one = self._made(state.group, tune)
            except InputError:
                continue  # the plan has none; a build would say why
            if one.key not in state.tried:
                found.setdefault(one.key, one)
        return list(found.values())

    def _made(self, group: Group, tune: Mapping[str, int]) -> Candidate:
        return candidate(tune, self.space.kernels(group, tune), self.space.target, self.tools)

    def _batch(self, state: State, candidates: Sequence[Candidate], states: Sequence[State], end: float) -> bool:
        """Lets candidates compete, or looks up how they did; whether one is better than the first."""
        key = batch_key(candidates)
        known = self.found.find(key)
        batch = known or Batch(key, state.group.name, self._figures(candidates, end))
        state.tried |= {one.key for one in candidates}
        ratios = [_ratio(figure, batch.figures[0]) for figure in batch.figures]
        better = (least := min(ratios)) < self.judge.margin
        if better:
            state.best = dict(batch.figures[ratios.index(least)].tune)
            state.ratio *= least
        if known is None:
            self.found = replace(self.found, batches=(*self.found.batches, batch))
            self._save(states)
            self.told(_line(batch, end - time.monotonic()))
        return better

    def _figures(self, candidates: Sequence[Candidate], end: float) -> tuple[Figure, ...]:
        def check() -> None:
            if time.monotonic() >= end:
                raise OutOfTimeError

        able: dict[int, tuple[Compiled, ...]] = {}
        refused: dict[int, str] = {}
        for i, one in enumerate(candidates):
            check()
            try:
                able[i] = compiled(one, self.space.target, self.tools)
            except CompileError as e:
                if not i:
                    raise  # what a build would make fails: no search can be about its speed
                refused[i] = e.message
        times = dict(zip(able, self.judge.times(list(able.values()), check), strict=True))
        if isinstance(first := times[0], GpuError):
            raise first
        figures: list[Figure] = []
        for i, one in enumerate(candidates):
            found = times.get(i)
            if isinstance(found, dict):
                figures.append(Figure(one.tune, found))
            else:
                figures.append(Figure(one.tune, {}, refused.get(i) or str(found)))
        return tuple(figures)

    def _save(self, states: Sequence[State]) -> None:
        chosen = {key: value for state in states for key, value in state.best.items()}
        self.found = replace(self.found, chosen=dict(sorted(chosen.items())))
        if self.found != self.written:
            self.found.write(self.path)
            self.written = self.found


def _ratio(figure: Figure, first: Figure) -> float:
    """The geometric mean of its kernels' times over the first one's; infinite where it was refused."""
    if figure.refused:
        return math.inf
    logs = [math.log(time / first.microseconds[name]) for name, time in figure.microseconds.items()]
    return math.exp(sum(logs) / len(logs))


def _line(batch: Batch, left: float) -> str:
    """What a batch found, in a line."""
    ratios = [_ratio(figure, batch.figures[0]) for figure in batch.figures]
    best = batch.figures[ratios.index(min(ratios))]
    what = " ".join(f"{key}={value}" for key, value in best.tune.items()) or "the target's sizes"
    refused = sum(1 for figure in batch.figures if figure.refused)
    us = sum(best.microseconds.values())
    return (
        f"{batch.group}: {us:.1f} us, {min(ratios) - 1:+.1%}, the best of {len(batch.figures)} with {what}"
        + f" ({refused} refused)" * bool(refused)
        + f"; {max(0.0, left):.0f} s left"
    )
