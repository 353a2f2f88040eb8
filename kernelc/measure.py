"""Times kernels against each other on the Vulkan device at hand.

NOTES, all learned on a GPU: an idle one lowers its clocks and needs a while to raise them again, so pipelines and
buffers are made first, and all recordings then run back to back. A kernel that finds its weights in a cache looks
several times as fast as it is, so a recording goes through several sets of its large inputs. What else the machine
does comes and goes, so contenders take turns, and a figure is a median of minima.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from kernelc.buckets import MAX_BATCH
from kernelc.kernel import Binding, KernelSpec
from kernelrt import params
from kernelrt.abi import specialization
from kernelrt.calls import BEFORE
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import Recording

CACHE = 256 << 20  # bytes of large inputs in rotation: several times any device's last cache
LARGE = 1 << 20
MOST_SETS = 16
WARM_UP = 0.4  # seconds of the same work before it is timed
REPEATS = 20  # dispatches of a recording
ROUNDS = 7
HOPELESS = 1.3  # times the best of the first round: such a contender does not run again


@dataclass(frozen=True, slots=True)
class Trial:
    """A kernel that can be run: `repeats` dispatches with a barrier after each, for each may write what all bind."""

    pipeline: Pipeline
    recording: Recording
    repeats: int

    def run(self) -> float:
        """Runs it once and waits; the mean time of a dispatch in ns."""
        return (self.recording.run() or math.nan) / self.repeats

    def close(self) -> None:
        self.recording.close()
        self.pipeline.close()


class Bench:
    """Trials on a device; kernels of the same name share buffers, as far as these have the same size.

    Inputs are random. Leaving it frees everything.
    """

    def __init__(self, device: Device, repeats: int = REPEATS) -> None:
        self.device = device
        self.repeats = repeats
        self._buffers: dict[tuple[str, str, int, int], Buffer] = {}
        self._trials: list[Trial] = []
        self._rng = np.random.default_rng()

    def trial(self, spec: KernelSpec, spirv: bytes) -> Trial:
        """A kernel with its pipeline, recorded. Raises GpuError where the device does not take it."""
        slots = spec.work.rows if spec.work.rows <= MAX_BATCH else 1  # a prefill chunk is of one sequence
        quantities = {"rows": spec.work.rows, "slots": slots, "words": spec.work.bytes_read // 16}
        sizes = {binding.name: binding.nbytes(**quantities) for binding in spec.bindings}
        large = {b.name for b in spec.bindings if _streamed(b) and sizes[b.name] >= LARGE}
        sets = min(MOST_SETS, math.ceil(CACHE / sum(sizes[name] for name in large))) if large else 1
        constants = specialization(spec.workgroup, spec.constants)
        pipeline = Pipeline(self.device, spirv, len(sizes), constants, spec.subgroup, name=spec.name)
        try:
            bound = [
                tuple(self._buffer(b, sizes[b.name], spec, i if b.name in large else 0) for b in spec.bindings)
                for i in range(min(sets, self.repeats))
            ]
            x, y, z = (dim.size(rows=spec.work.rows) for dim in spec.grid)
            dispatches = [Dispatch(pipeline, bound[i % len(bound)], (x, y, z)) for i in range(self.repeats)]
            found = Trial(pipeline, Recording(self.device, dispatches, timed=True), self.repeats)
        except BaseException:
            pipeline.close()
            raise
        self._trials.append(found)
        return found

    def clear(self) -> None:
        """Frees the trials; buffers stay for those to come."""
        while self._trials:
            self._trials.pop().close()

    def close(self) -> None:
        """Frees everything."""
        self.clear()
        while self._buffers:
            self._buffers.popitem()[1].close()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _buffer(self, binding: Binding, nbytes: int, spec: KernelSpec, number: int) -> Buffer:
        key = (spec.name, binding.name, nbytes, number)
        if key not in self._buffers:
            self._buffers[key] = _filled(Buffer(self.device, nbytes), binding, spec, self._rng)
        return self._buffers[key]


def compete(
    contenders: Sequence[Sequence[Trial]],
    rounds: int = ROUNDS,
    warm_up: float = WARM_UP,
    check: Callable[[], None] = lambda: None,
) -> list[tuple[float, ...]]:
    """For each contender the time of each of its trials, in ns: the median over rounds of the shorter of two runs.

    Contenders take turns. After the first round those end that took HOPELESS times as long as the best one (in all of
    their trials together); their figures are that round's. `check` is called between rounds and may raise.
    """
    warm = time.monotonic() + warm_up
    while True:  # once at the least: a first run may still be compiling, or making pages
        for contender in contenders:
            for trial in contender:
                trial.run()
        if time.monotonic() >= warm:
            break
    samples: list[list[tuple[float, ...]]] = [[] for _ in contenders]
    running = range(len(contenders))
    for number in range(rounds):
        check()
        for i in running:
            samples[i].append(tuple(min(trial.run(), trial.run()) for trial in contenders[i]))
        if number == 0:
            first = [sum(sample[0]) for sample in samples]
            running = [i for i in running if first[i] <= HOPELESS * min(first)]
    return [tuple(statistics.median(times) for times in zip(*sample, strict=True)) for sample in samples]


def _streamed(binding: Binding) -> bool:
    """Whether the model reads it anew in each dispatch, so that no cache can have it: weights, keys and values."""
    return binding.access == "r" or binding.name.endswith("cache")


def _filled(buffer: Buffer, binding: Binding, spec: KernelSpec, rng: np.random.Generator) -> Buffer:
    """Random where the kernel computes with it, zero where it counts or collects."""
    nbytes = buffer.nbytes
    halves = binding.name.endswith(("cache", "_scale")) or spec.param.get("quant") == "f16"
    if binding.dtype == "params":
        rows, end = spec.work.rows, int(spec.param.get("capacity", 512))
        sequences = tuple(params.Sequence(end - 1, slot=i, penalty=1.1) for i in range(min(rows, MAX_BATCH)))
        buffer.write(params.Params(rows, start=max(0, end - rows), sequences=sequences).pack())
    elif binding.dtype.startswith("f32"):
        buffer.write(rng.standard_normal(nbytes // 4, dtype=np.float32))
    elif binding.dtype.startswith("f16") or halves:
        buffer.write((rng.standard_normal(nbytes // 2, dtype=np.float32) * 0.05).astype(np.float16))
    elif binding.access == "r" and binding.name not in ("tokens", "row_max", BEFORE):
        buffer.write(rng.integers(0, 2**32, nbytes // 4, dtype=np.uint32))
    else:
        buffer.fill(0)
    return buffer
