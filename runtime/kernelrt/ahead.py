"""Decode steps of the GPU alone, the next of which may be under way before the latest is known.

A step ahead takes its tokens where the step before leaves them: the host is not asked, and the device has no pause. Two
steps are under way at the most, each in a turn with buffers of its own (kernelrt.buffers.in_turn).

A step ahead was in vain where its sequence ended, or the caller wants another step. It does no harm: the slot holds the
p tokens that it held before, and nothing reads the key that stands at position p of its caches now. It took the entry
p % capacity of each, in a ring that of the key p - capacity: what goes on there begins at p, sees the capacity - 1 keys
before it, and writes the entry again. Where it counted a token for a repetition penalty, `Slots` knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kernelrt.buffers import in_turn
from kernelrt.chain import after
from kernelrt.gemma import Finish
from kernelrt.inputs import Inputs, scalars, smallest, words
from kernelrt.machine import Machine
from kernelrt.params import Params
from kernelrt.run_plan import RunPlan
from kernelrt.slots import Slots
from kernelrt.step import Step, StepTimes, Submitted

_WORTH = 0.05  # seconds: what a hundred steps save


@dataclass(frozen=True, slots=True)
class _Turn:
    """`inputs.tokens` are the `results` of the other turn. Programs by the most rows that they serve, and by end."""

    inputs: Inputs
    results: NDArray[np.uint32]
    programs: Mapping[int, Mapping[Finish, Submitted]]

    @staticmethod
    def of(plan: RunPlan, machine: Machine, turn: int) -> "_Turn":
        """Records the steps of a plan's turn."""
        planned = plan.turns[turn]
        layers = {rows: machine.record(calls) for rows, calls in planned.decode.items()}
        programs: dict[int, dict[Finish, Submitted]] = {rows: {} for rows in layers}
        for (rows, how), calls in planned.finish.items():
            programs[rows][how] = Submitted([layers[rows], machine.record(calls)])
        buffers = machine.buffers
        return _Turn(Inputs.in_turn(buffers, turn), words(buffers[in_turn("next", turn)]), programs)


@dataclass(frozen=True, slots=True)
class _Flight:
    """A step that was submitted: `steps`, or with `ahead` what follows them, on the tokens that they give."""

    steps: tuple[Step, ...]
    ahead: bool
    how: Finish
    turn: int
    submitted: Submitted

    def does(self, step: Step, row: int, token: int) -> bool:
        """Whether `step` is what it does in a row, where `token` is the token of that row."""
        begun = self.steps[row]
        expected = (begun.slot, token, begun.position + self.ahead, begun.sampling)
        return (step.slot, step.token, step.position, step.sampling) == expected


class Ahead:
    """Takes steps that were checked. `held`: what the slots hold; what is counted in vain is told there."""

    def __init__(self, turns: Sequence[_Turn], held: Slots) -> None:
        self._turns = turns
        self._held = held
        self._flights: list[_Flight] = []  # the oldest first
        self._known = 0.0  # when the latest result was there, a perf_counter
        self._numbers: dict[int, int] = {}  # of the latest step, by the most rows that its program serves

    @staticmethod
    def of(plan: RunPlan, machine: Machine, held: Slots) -> "Ahead":
        """Records the steps of a plan."""
        return Ahead([_Turn.of(plan, machine, turn) for turn in range(len(plan.turns))], held)

    @property
    def under_way(self) -> bool:
        """Whether a step was submitted that no one asked for yet."""
        return bool(self._flights)

    def rows(self, steps: Sequence[Step], how: Finish) -> list[int] | None:
        """The rows of `steps` in the step that is under way; None where it is another, or none is."""
        if not self._flights or self._flights[0].how != how:
            return None
        flight = self._flights[0]
        tokens = self._turns[flight.turn].inputs.tokens
        slots = [step.slot for step in flight.steps]
        rows = [slots.index(step.slot) if step.slot in slots else -1 for step in steps]
        fits = (row >= 0 and flight.does(step, row, int(tokens[row])) for row, step in zip(rows, steps, strict=True))
        return rows if all(fits) else None

    def begin(self, steps: Sequence[Step], how: Finish) -> list[int]:
        """Submits a step where none is under way; gives the rows of `steps` in it."""
        self._turns[0].inputs.tokens[: len(steps)] = [step.token for step in steps]
        self._submit(steps, False, how, 0)
        return list(range(len(steps)))

    def result(
        self, steps: Sequence[Step], rows: Sequence[int], ahead: bool, began: float
    ) -> tuple[list[int], StepTimes]:
        """Waits for `steps`, which are under way in these rows: the next token of each, and the times, the host's from
        `began` on. With `ahead`, what follows is submitted before, where these are all rows in their order.
        """
        flight = self._flights[0]
        whole = list(range(len(flight.steps)))
        room = all(step.position + 1 < self._held.context for step in steps)
        if ahead and room and rows == whole and len(self._flights) == 1:
            self._submit(steps, True, flight.how, 1 - flight.turn)
        times = self._wait(began, began - self._known if flight.ahead else 0.0)
        self._known = perf_counter()
        self._in_vain(flight, set(whole).difference(rows))
        results = self._turns[flight.turn].results
        return [int(results[row]) for row in rows], times

    def drop(self) -> StepTimes:
        """Waits for what is under way, which was in vain."""
        times = StepTimes()
        while self._flights:
            flight = self._flights[0]
            times = times.plus(self._wait(perf_counter()))
            self._in_vain(flight, range(len(flight.steps)))
        return times

    def _submit(self, steps: Sequence[Step], ahead: bool, how: Finish, turn: int) -> None:
        """Submits a step whose tokens are in their place, or will be."""
        chosen = self._turns[turn]
        told = tuple(scalars(step.position + ahead, step.slot, step.sampling) for step in steps)
        size = smallest(chosen.programs, len(steps))
        number = after(self._numbers.get(size, 0))
        chosen.inputs.tell(Params(len(steps), sequences=told, step=number))
        submitted = chosen.programs[size][how]
        submitted.start()
        self._numbers[size] = number  # not before: the counters of a chain count what ran
        self._flights.append(_Flight(tuple(steps), ahead, how, turn, submitted))

    def _wait(self, began: float, between: float = 0.0) -> StepTimes:
        times = self._flights[0].submitted.wait(began, between)
        del self._flights[0]
        return times

    def _in_vain(self, flight: _Flight, rows: Iterable[int]) -> None:
        for row in rows if flight.how == "sampled" else ():
            self._held.miscounts(flight.steps[row].slot)


def pays(steps: Sequence[StepTimes]) -> bool:
    """Whether a step is better submitted ahead, after those that took so long: it saves up to half a millisecond of
    each, and costs a whole one where a sequence ends unforeseen.
    """
    if not steps:
        return True
    return (steps[-1].wall if steps[-1].gpu is None else steps[-1].gpu) < _WORTH
