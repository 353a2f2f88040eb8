"""The engine: a bundle and weights on a device, ready to take tokens and to give the next ones."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kernelrt.bundle import Bundle
from kernelrt.calls import Call
from kernelrt.errors import InputError, RunError
from kernelrt.gemma import Finish
from kernelrt.gpu.commands import Submission, copying
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer, allocate
from kernelrt.gpu.placement import Placement
from kernelrt.gpu.run import Recording
from kernelrt.inputs import Inputs, smallest
from kernelrt.loading import Destination, LoadReport, Repack, Weights
from kernelrt.machine import Machine, Progress
from kernelrt.npu.choose import hardware, simulator
from kernelrt.npu.errors import NpuError
from kernelrt.npu.offload import Offload
from kernelrt.npu.run import Npu
from kernelrt.operations import Operation, operations
from kernelrt.params import Params
from kernelrt.params import Sequence as Scalars
from kernelrt.run_plan import LANES, RING, Options, RunPlan, plan_run
from kernelrt.sampling import Sampling
from kernelrt.split import Split
from kernelrt.step import Program, Step, StepTimes
from kernelrt.trace import Trace

_NO_TOKEN = 0xFFFFFFFF  # what argmax and sample give for a row of nothing but NaN
_FLOAT_ONE = 0x3F800000


class Engine:
    """A loaded model. What it needs was allocated, compiled and recorded when it was opened; nothing is afterwards.

    Not thread-safe: one caller at a time. `context` is how many tokens a sequence can hold, `slots` how many sequences
    there are (their caches are numbered from 0), `times` how long the latest `prefill` or `decode` took.
    """

    def __init__(
        self,
        plan: RunPlan,
        placement: Placement,
        machine: Machine,
        load_report: LoadReport,
        offload: Offload | None,
    ) -> None:
        self.plan = plan
        self.placement = placement
        self.load_report = load_report
        self.model = plan.model
        self.device = machine.device.info
        self.context = plan.capacity
        self.slots = plan.slots
        self.times = StepTimes()
        self.trace = Trace()
        self._offload = offload
        self._npu_name = "" if offload is None else f"{offload.npu.name}, {offload.npu.level}"
        self._machine = machine
        buffers = machine.buffers
        self._lengths = [0] * plan.slots  # tokens in the caches of each slot
        self._inputs = Inputs.of(buffers, 0)
        self._next = np.frombuffer(buffers["next"].view(), np.uint32)
        ends = {key: machine.record(calls) for key, calls in plan.finish.items()}
        self._prefill = _programs(machine, plan.prefill, lambda rows: _of_rows(ends, 1))
        self._decode = _programs(machine, plan.decode, lambda rows: _of_rows(ends, rows))
        self._logits_out = self._copies_logits()
        self._split = None if offload is None else Split.of(plan, machine, offload, _of_rows(ends, 1), self.trace)

    @staticmethod
    @contextmanager
    def open(
        bundle: Bundle, weights: Weights, options: Options | None = None, progress: Progress | None = None
    ) -> "Generator[Engine, None, None]":
        """Opens a device, plans its memory, loads the weights and records the model.

        Raises GpuError (no such device), UnfitDeviceError, OutOfMemoryError, InputError (weights that do not fit the
        bundle), and what the weights' reader raises. Everything is freed at the end, however it comes.
        """
        options, progress = options or Options(), progress or _silent
        with ExitStack() as stack:
            npu, notes = _npu(bundle, options)
            if npu is not None:
                stack.callback(npu.close)
            device = stack.enter_context(Device.open(options.device))
            plan = plan_run(bundle, device.info, replace(options, attention="gpu" if npu is None else "npu"))
            weights.check(plan.model, plan.formats)
            placement = plan.place(device)
            offload = None
            if npu is not None and plan.split is not None:
                offload = Offload(npu, device, plan.model, plan.split.attention, bundle.npu_files(), LANES)
            shared = {} if offload is None else offload.buffers
            machine = Machine(device, bundle, {**allocate(device, placement), **shared})
            machine.compile((*(call.kernel for call in plan.calls), *plan.repack), progress)
            for item in plan.items:
                if item.category in ("activations", "KV cache"):
                    machine.buffers[item.name].fill(0)  # counters must begin so; the rest for the same bits every time
            machine.buffers["ones"].fill(_FLOAT_ONE)
            for buffer in shared.values():
                buffer.fill(0)  # the NPU may read a key that no one wrote, and multiplies it by zero
            report = weights.load(_destination(plan, machine), progress)
            with machine.record(plan.load) as tables:
                tables.run()
            yield Engine(plan, placement, machine, replace(report, notes=(*report.notes, *notes)), offload)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Which kernel does each operation, and on which device."""
        return operations(self.plan, self.device.name, self._npu_name)

    def shared_memory(self) -> list[tuple[str, Buffer, int]]:
        """What GPU and NPU share: the name and the GPU's buffer of each piece, and the NPU's address of it."""
        return [] if self._offload is None else self._offload.shared()

    def prefill(self, slot: int, tokens: Sequence[int], start: int = 0, sampling: Sampling | None = None) -> int:
        """Takes `tokens` at the positions from `start` on into the caches of `slot`; gives the next token.

        `start` is 0, for a new sequence, or where the slot's tokens end. Raises InputError for tokens that do not fit,
        RunError where the logits are no numbers.
        """
        sampling = sampling or Sampling()
        self._check(slot, start, len(tokens))
        if not len(tokens):
            raise InputError("no tokens: a prompt has at least one")
        self.check_tokens(tokens)
        known = np.asarray(tokens, np.uint32)
        how = _finish(sampling)
        end = start + len(known) - 1
        self._lengths[slot] = end + 1
        if self._split is not None and self._split.serves(start, len(known)):
            self.times = self._split.prefill(known, start, slot, _scalars(end, slot, sampling), how)
            return self._result(1, [end])[0]
        most, times = max(self._prefill), StepTimes()
        for at in range(0, len(known), most):
            began = perf_counter()
            chunk = known[at : at + most]
            program = self._prefill[smallest(self._prefill, len(chunk))]
            self._inputs.write(chunk, Params(len(chunk), start + at, slot, (_scalars(end, slot, sampling),)))
            last = at + most >= len(known)
            times = times.plus((program.ending[how] if last else program.alone).run(began))
        self.times = times
        return self._result(1, [end])[0]

    def decode(self, steps: Sequence[Step]) -> list[int]:
        """One token of each sequence into its caches, in one submission; gives the next token of each.

        A repetition penalty counts the tokens of the prompt and of the steps that had one.
        Raises InputError for steps that do not fit, RunError where the logits are no numbers.
        """
        began = perf_counter()
        if not 0 < len(steps) <= self.slots:
            raise InputError(f"{len(steps)} sequences in a step; the engine was opened for 1 to {self.slots}")
        for step in steps:
            self._check(step.slot, step.position, 1)
        if len({step.slot for step in steps}) < len(steps):
            raise InputError("two sequences of a step use one slot")
        tokens = [step.token for step in steps]
        self.check_tokens(tokens)
        how: Finish = "sampled" if any(_finish(step.sampling) == "sampled" for step in steps) else "greedy"
        for step in steps:
            self._lengths[step.slot] = step.position + 1
        scalars = tuple(_scalars(step.position, step.slot, step.sampling) for step in steps)
        self._inputs.write(tokens, Params(len(steps), sequences=scalars))
        program = self._decode[smallest(self._decode, len(steps))]
        self.times = program.ending[how].run(began)
        return self._result(len(steps), [step.position for step in steps])

    def logits(self, rows: int = 1) -> NDArray[np.float32]:
        """The logits of the latest step, float32 [rows, vocab], behind a repetition penalty where there is one."""
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
        nbytes = self._machine.buffers["scratch"].nbytes
        with self._machine.record([self.plan.measure]) as recording:
            times = [recording.run() for _ in range(1 + samples)][1:]
        if None in times:
            raise RunError(f"{self.device.name} has no clock (timestamps) to measure with")
        return [nbytes / (time * 1e-9) for time in times if time]

    def _check(self, slot: int, position: int, count: int) -> None:
        if not 0 <= slot < self.slots:
            raise InputError(f"slot {slot}; the engine has {self.slots}, numbered from 0")
        if position < 0 or position + count > self.context:
            raise InputError(
                f"{position + count} tokens; the context holds {self.context} (--context, up to what the bundle has)"
            )
        if position not in (0, self._lengths[slot]):  # a ring forgets what it would take to go back
            raise InputError(
                f"position {position} of slot {slot}, which holds {self._lengths[slot]} tokens: go on there, or begin"
                " at 0"
            )

    def check_tokens(self, tokens: Sequence[int]) -> None:
        """Raises InputError for an id that the model does not have."""
        for token in tokens:
            if not 0 <= token < self.model.vocab:
                raise InputError(f"unknown token id {token}; {self.model.name} has ids 0 to {self.model.vocab - 1}")

    def _result(self, rows: int, positions: Sequence[int]) -> list[int]:
        found = [int(token) for token in self._next[:rows]]
        for token, position in zip(found, positions, strict=True):
            if token == _NO_TOKEN:
                raise RunError(
                    f"the logits after position {position} are no numbers (NaN): the weights are broken, or a value"
                    " left its range; nothing was generated from them"
                )
        return found

    def _copies_logits(self) -> Submission:
        buffers, device = self._machine.buffers, self._machine.device
        source, target = buffers["logits"], buffers["staging.0"]
        return Submission(device, [copying(device, source.handle, 0, target.handle, 0, source.nbytes)])


def _destination(plan: RunPlan, machine: Machine) -> Destination:
    return Destination(
        device=machine.device,
        model=plan.model,
        formats=plan.formats,
        buffers=machine.buffers,
        repack={str(kernel.params["quant"]): Repack(kernel, machine.pipeline(kernel)) for kernel in plan.repack},
        ring=[machine.buffers[f"staging.{i}"] for i in range(RING)],
        params=[machine.buffers[f"staging.{i}.params"] for i in range(RING)],
        raw=[machine.buffers[f"staging.{i}.raw"] for i in range(0 if machine.device.info.unified else RING)],
    )


def _programs(
    machine: Machine, calls: Mapping[int, Sequence[Call]], ends: Callable[[int], Mapping[Finish, Recording]]
) -> dict[int, Program]:
    return {rows: Program.of(machine.record(group), ends(rows)) for rows, group in calls.items()}


def _of_rows(ends: Mapping[tuple[int, Finish], Recording], rows: int) -> dict[Finish, Recording]:
    return {how: recording for (size, how), recording in ends.items() if size == rows}


def _finish(sampling: Sampling) -> Finish:
    return "sampled" if sampling.temperature > 0 or sampling.repetition_penalty != 1 else "greedy"


def _scalars(position: int, slot: int, sampling: Sampling) -> Scalars:
    return Scalars(
        position=position,
        slot=slot,
        seed=sampling.seed,
        top_k=sampling.top_k,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        penalty=sampling.repetition_penalty,
    )


def _npu(bundle: Bundle, options: Options) -> tuple[Npu | None, tuple[str, ...]]:
    """The NPU that attention runs on, decided here and nowhere else, and what the user should know of that."""
    if options.attention == "gpu":
        return None, ()
    try:
        return hardware(bundle.manifest.npu_kernels), ()
    except NpuError as error:
        if options.attention == "auto":
            return None, (f"attention runs on the GPU: {error}",)
        return simulator(), (f"attention runs on the NPU simulator: {error}",)


def _silent(what: str, done: int, total: int) -> None:
    """No progress is shown."""
