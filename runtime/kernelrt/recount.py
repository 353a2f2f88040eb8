"""Counting a slot's tokens anew, for a repetition penalty, where the device's count went wrong."""

from collections.abc import Iterable
from time import perf_counter

from kernelrt.inputs import Inputs
from kernelrt.machine import Machine
from kernelrt.params import Params
from kernelrt.run_plan import RunPlan
from kernelrt.slots import Slots
from kernelrt.step import StepTimes, Submitted


class Recount:
    """`most` tokens at a time, through the inputs of a chunk."""

    def __init__(self, count: Submitted, most: int, inputs: Inputs, held: Slots) -> None:
        self._count = count
        self._most = most
        self._inputs = inputs
        self._held = held

    @staticmethod
    def of(plan: RunPlan, machine: Machine, inputs: Inputs, held: Slots) -> "Recount":
        """Records the plan's call for it."""
        return Recount(Submitted([machine.record([plan.count])]), plan.count.rows, inputs, held)

    def run(self, slots: Iterable[int]) -> StepTimes:
        """Those of the slots that need it. Nothing may be under way."""
        times = StepTimes()
        for slot in slots:
            tokens = self._held.recounts(slot)
            if tokens is None:
                continue
            for at in range(0, max(len(tokens), 1), self._most):  # of none, too: a chunk at 0 forgets what was counted
                began = perf_counter()
                chunk = tokens[at : at + self._most]
                self._inputs.write(chunk, Params(len(chunk), at, slot))
                times = times.plus(self._count.run(began))
        return times
