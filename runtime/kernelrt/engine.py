"""The engine: a bundle and weights on a device, ready to take tokens and to give the next ones."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kernelrt.ahead import Ahead
from kernelrt.bundle import Bundle
from kernelrt.errors import InputError, RunError
from kernelrt.gemma import Finish
from kernelrt.gpu.commands import Submission, copying
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.run import Recording
from kernelrt.inputs import Inputs, scalars, smallest, words
from kernelrt.loading import Weights
from kernelrt.machine import Machine, Progress
from kernelrt.npu.errors import NpuError
from kernelrt.opened import Opened, opened
from kernelrt.operations import Operation, operations
from kernelrt.params import Params
from kernelrt.params import Sequence as Scalars
from kernelrt.recount import Recount
from kernelrt.run_plan import Options, RunPlan
from kernelrt.sampling import Sampling
from kernelrt.slots import Slots
from kernelrt.split_decode import SplitDecode
from kernelrt.split_plan import SplitPlan
from kernelrt.split_prefill import SplitPrefill
from kernelrt.step import Program, Step, StepTimes, finish_of, next_tokens
from kernelrt.trace import Trace


class Engine:
    """A loaded model. What it needs was allocated, compiled and recorded when it was opened; nothing is afterwards.

    Not thread-safe: one caller at a time. `context` is how many tokens a sequence can hold, `slots` how many sequences
    there are (their caches are numbered from 0), `times` how long the latest `prefill` or `decode` took. `notes` gets
    what the user should know of a run: that attention moved from the NPU to the GPU, and why.
    """

    def __init__(self, found: Opened) -> None:
        plan, machine = found.plan, found.machine
        self.plan = plan
        self.placement = found.placement
        self.load_report = found.report
        self.model = plan.model
        self.device = machine.device.info
        self.context = plan.capacity
        self.slots = plan.slots
        self.times = StepTimes()
        self.notes: list[str] = []
        self.trace = Trace()
        self._held = Slots(plan.slots, plan.capacity)
        self._offload = found.offload
        self._machine = machine
        buffers = machine.buffers
        self._inputs = Inputs.of(buffers, 0)
        self._next = words(buffers["next"])
        end = _ends(plan, machine, 1)
        self._chained = any(call.follows for call in plan.calls)
        self._prefill = {rows: Program.of(machine.record(calls), end) for rows, calls in plan.prefill.items()}
        self._ahead = Ahead.of(plan, machine, self._held)
        self._recount = Recount.of(plan, machine, self._inputs, self._held)
        self._logits_out = self._copies_logits()
        self._logits_stay = True
        npu_prefill, npu_decode = (found.offload.prefill, found.offload.decode) if found.offload else (None, None)
        self._npu_prefill = npu_prefill and SplitPrefill.of(plan, machine, npu_prefill, end, self.trace)
        self._npu_decode = npu_decode and SplitDecode.of(
            plan, machine, npu_decode, lambda rows: _ends(plan, machine, rows), self.trace
        )

    @staticmethod
    @contextmanager
    def open(
        bundle: Bundle, weights: Weights, options: Options | None = None, progress: Progress | None = None
    ) -> "Generator[Engine, None, None]":
        """Opens a device, plans its memory, loads the weights and records the model.

        Raises GpuError (no such device), UnfitDeviceError, OutOfMemoryError, InputError (weights that do not fit the
        bundle), MissingKernelError, NpuError, and what the weights' reader raises. Everything is freed at the end,
        however it comes.
        """
        with opened(bundle, weights, options or Options(), progress or _silent) as found:
            yield Engine(found)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Which kernel does each operation, and on which device."""
        split = SplitPlan(
            self.plan.split.prefill if self._npu_prefill else None, self.plan.split.decode if self._npu_decode else None
        )
        return operations(self.plan, split, self.device.name, self._offload.name if self._offload else "")

    @property
    def under_way(self) -> bool:
        """Whether a decode step was submitted ahead that no one asked for yet."""
        return self._ahead.under_way

    def shared_memory(self) -> list[tuple[str, Buffer, int]]:
        """What GPU and NPU share: the name and the GPU's buffer of each piece, and the NPU's address of it."""
        return [] if self._offload is None else self._offload.shared()

    def prefill(self, slot: int, tokens: Sequence[int], start: int = 0, sampling: Sampling | None = None) -> int:
        """Takes `tokens` at the positions from `start` on into the caches of `slot`; gives the next token.

        `start` is 0, for a new sequence, or where the slot's tokens end. Raises InputError for tokens that do not fit,
        RunError where the logits are no numbers.
        """
        sampling = sampling or Sampling()
        self._held.check(slot, start, len(tokens))
        if not len(tokens):
            raise InputError("no tokens: a prompt has at least one")
        self.check_tokens(tokens)
        known = np.asarray(tokens, np.uint32)
        how = finish_of(sampling)
        end = start + len(known) - 1
        settled = self._settle([slot] if start and how == "sampled" else [])
        self._logits_stay = True
        self._held.put(slot, start, tokens)
        told = scalars(end, slot, sampling)
        if self._npu_prefill and self._npu_prefill.serves(start, len(known)):
            try:
                self.times = settled.plus(self._npu_prefill.prefill(known, start, slot, told, how))
                return next_tokens([self._next[0]], [end])[0]
            except NpuError as error:
                self._leave_npu(error)
                # A ring may have lost what the first queries see: all of the slot again.
                known, start = self._held.tokens(slot), 0
        self.times = settled.plus(self._chunks(known, start, slot, told, how))
        return next_tokens([self._next[0]], [end])[0]

    def _chunks(self, tokens: NDArray[np.uint32], start: int, slot: int, told: Scalars, how: Finish) -> StepTimes:
        """A prefill by the GPU alone."""
        most, times = max(self._prefill), StepTimes()
        for at in range(0, len(tokens), most):
            began = perf_counter()
            chunk = tokens[at : at + most]
            program = self._prefill[smallest(self._prefill, len(chunk))]
            self._inputs.write(chunk, Params(len(chunk), start + at, slot, (told,)))
            last = at + most >= len(tokens)
            times = times.plus((program.ending[how] if last else program.alone).run(began))
        return times

    def decode(self, steps: Sequence[Step], ahead: bool = False) -> list[int]:
        """One token of each sequence into its caches; gives the next token of each. One submission, where attention is
        not the NPU's.

        `ahead`: these sequences go on with the tokens that they get here. So the step that follows is submitted too,
        before this one is waited for, where the GPU does it alone and the context has room. A later call for that step,
        or for some of its sequences, takes it from there; for anything else it was in vain, and harmless: it took a
        step's time, and no slot holds its tokens.

        A repetition penalty counts the tokens of the prompt and of the steps that had one.
        Raises InputError for steps that do not fit, RunError where the logits are no numbers.
        """
        began = perf_counter()
        if not 0 < len(steps) <= self.slots:
            raise InputError(f"{len(steps)} sequences in a step; the engine was opened for 1 to {self.slots}")
        for step in steps:
            self._held.check(step.slot, step.position, 1)
        if len({step.slot for step in steps}) < len(steps):
            raise InputError("two sequences of a step use one slot")
        self.check_tokens([step.token for step in steps])
        how: Finish = "sampled" if any(finish_of(step.sampling) == "sampled" for step in steps) else "greedy"
        rows, settled = self._ahead.rows(steps, how), None
        self._logits_stay = rows is None
        if rows is None:
            settled = self._settle([step.slot for step in steps if step.position] if how == "sampled" else [])
            began += settled.wall
        for step in steps:
            self._held.put(step.slot, step.position, [step.token], counted=how == "sampled")
        positions = [step.position for step in steps]
        if self._npu_decode:
            try:
                return next_tokens(self._npu_step(self._npu_decode, steps, how, began), positions)
            except NpuError as error:
                self._leave_npu(error)  # and the same once more: what was appended is appended again
        if rows is None:
            rows = self._ahead.begin(steps, how)
        found, times = self._ahead.result(steps, rows, ahead, began)
        self.times = settled.plus(times) if settled else times
        self._logits_stay = self._logits_stay and not self._ahead.under_way
        return next_tokens(found, positions, self._chained)

    def _npu_step(self, npu: SplitDecode, steps: Sequence[Step], how: Finish, began: float) -> list[int]:
        """A step with attention on the NPU. Raises NpuError."""
        told = tuple(scalars(step.position, step.slot, step.sampling) for step in steps)
        self._inputs.write([step.token for step in steps], Params(len(steps), sequences=told))
        self.times = npu.step({step.slot: step.position for step in steps}, how, began)
        return self._next[: len(steps)].tolist()

    def _settle(self, slots: Iterable[int]) -> StepTimes:
        """Nothing is under way afterwards, and the tokens of these slots are counted as they should be."""
        return self._ahead.drop().plus(self._recount.run(slots))

    def _leave_npu(self, error: NpuError) -> None:
        """The GPU goes on alone: it has every key and value in its own caches, too."""
        self._npu_prefill = self._npu_decode = None
        self.notes.append(f"attention moved from the NPU to the GPU: {error}")

    def logits(self, rows: int = 1) -> NDArray[np.float32]:
        """The logits of the latest step, float32 [rows, vocab], behind a repetition penalty where there is one.

        Raises RunError where that step was submitted ahead, or was decoded with `ahead`: the logits do not stay.
        """
        if not self._logits_stay:
            raise RunError("the latest step left no logits: decode it, and the one before, without `ahead`")
        self._logits_out.start()
        self._logits_out.wait()
        view = self._machine.buffers["staging.0"].view()
        return np.array(np.ndarray((rows, self.model.vocab), np.float32, view))

    def measure_read(self, samples: int = 5) -> list[float]:
        """Bytes a second that the device reads from its own memory: the scratch buffer (Options.scratch), read whole.

        By the device's clock; a first reading is not counted. Raises RunError without a scratch buffer or a clock.
        """
        if self.plan.measure is None:
            raise RunError("there is no scratch buffer to read: open the engine with Options(scratch=...)")
        self._settle([])
        nbytes = self._machine.buffers["scratch"].nbytes
        with self._machine.record([self.plan.measure]) as recording:
            times = [recording.run() for _ in range(1 + samples)][1:]
        if None in times:
            raise RunError(f"{self.device.name} has no clock (timestamps) to measure with")
        return [nbytes / (time * 1e-9) for time in times if time]

    def check_tokens(self, tokens: Sequence[int]) -> None:
        """Raises InputError for an id that the model does not have."""
        for token in tokens:
            if not 0 <= token < self.model.vocab:
                raise InputError(f"unknown token id {token}; {self.model.name} has ids 0 to {self.model.vocab - 1}")

    def _copies_logits(self) -> Submission:
        buffers, device = self._machine.buffers, self._machine.device
        source, target = buffers["logits"], buffers["staging.0"]
        return Submission(device, [copying(device, source.handle, 0, target.handle, 0, source.nbytes)])


def _ends(plan: RunPlan, machine: Machine, rows: int) -> dict[Finish, Recording]:
    return {how: machine.record(calls) for (size, how), calls in plan.finish.items() if size == rows}


def _silent(what: str, done: int, total: int) -> None:
    """No progress is shown."""
