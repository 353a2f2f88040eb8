"""Prefill with attention on the NPU: the GPU's part of one chunk runs while the NPU works on another's.

A chunk's layers are GPU, NPU, GPU, NPU, ..., GPU. Two chunks that follow each other are under way together, each in a
lane of buffers of its own: a layer of the second needs the keys of the first in that layer, which the GPU has put into
the cache before. So the NPU's work on one hides behind the GPU's on the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kernelrt.gemma import Finish
from kernelrt.gpu.run import Recording
from kernelrt.inputs import Inputs, smallest
from kernelrt.machine import Machine
from kernelrt.model import LayerKind
from kernelrt.npu.prefill import Prefill
from kernelrt.params import Params
from kernelrt.params import Sequence as Scalars
from kernelrt.run_plan import RunPlan
from kernelrt.running import Running
from kernelrt.split_plan import LANES
from kernelrt.step import Segments, StepTimes, Submitted
from kernelrt.trace import Trace


@dataclass(frozen=True, slots=True)
class Chunk:
    """`rows` tokens from position `start` on, in a lane whose inputs are written; `segments`: the GPU's submissions."""

    lane: int
    start: int
    rows: int
    segments: Sequence[Submitted]


class SplitPrefill:
    """Prefill on GPU and NPU. The GPU's part by rows, then by number of the lane; a next token comes of lane 0."""

    def __init__(
        self,
        lanes: Mapping[int, Sequence[Segments]],
        inputs: Sequence[Inputs],
        npu: Prefill,
        kinds: Sequence[LayerKind],
        trace: Trace,
    ) -> None:
        self._lanes = lanes
        self._inputs = inputs
        self._npu = npu
        self._kinds = kinds
        self._trace = trace

    @staticmethod
    def of(
        plan: RunPlan, machine: Machine, npu: Prefill, ends: Mapping[Finish, Recording], trace: Trace
    ) -> "SplitPrefill":
        """Records the segments of a plan."""
        assert plan.split.prefill is not None
        lanes = {
            rows: [Segments.of([machine.record(segment) for segment in lane], ends) for lane in planned]
            for rows, planned in plan.split.prefill.segments.items()
        }
        inputs = [Inputs.of(machine.buffers, lane) for lane in range(LANES)]
        return SplitPrefill(lanes, inputs, npu, plan.model.layer_kinds, trace)

    def serves(self, start: int, count: int) -> bool:
        """Whether the NPU has a way for `count` tokens from position `start` on."""
        return self._npu.serves(range(start, start + count, max(self._lanes)))

    def prefill(self, tokens: NDArray[np.uint32], start: int, slot: int, scalars: Scalars, how: Finish) -> StepTimes:
        """All of `tokens` from position `start` on into the caches of `slot`, and the next token of the last."""
        most, times = max(self._lanes), StepTimes()
        ends = [*range(most, len(tokens), most), len(tokens)]
        chunks = [(at, tokens[at:end]) for at, end in zip([0, *ends], ends, strict=False)]
        while chunks:
            # The last one is in lane 0, where the way to a next token is.
            count = 1 if len(chunks) % 2 else 2
            taken, chunks = chunks[:count], chunks[count:]
            made: list[Chunk] = []
            for lane, (at, part) in zip((1, 0)[-count:], taken, strict=True):
                self._inputs[lane].write(part, Params(len(part), start + at, slot, (scalars,)))
                found = self._lanes[smallest(self._lanes, len(part))][lane]
                last = not chunks and lane == 0
                made.append(Chunk(lane, start + at, len(part), found.ending(how) if last else found.parts))
            times = times.plus(self.alone(made[0]) if count == 1 else self.together(made[0], made[1]))
        return times

    def alone(self, chunk: Chunk) -> StepTimes:
        """One chunk: GPU and NPU in turn. Raises NpuError and GpuError."""
        times = self._gpu(chunk, 0)
        for layer in range(len(self._kinds)):
            self._attention(chunk, layer).ended(self._trace)
            times = times.plus(self._gpu(chunk, layer + 1))
        return times

    def together(self, first: Chunk, second: Chunk) -> StepTimes:
        """Two chunks that follow each other in the prompt, in lanes of their own. Raises NpuError and GpuError."""
        times = self._gpu(first, 0)
        for layer in range(len(self._kinds)):
            running = self._attention(first, layer)
            times = times.plus(self._gpu(second, layer))
            running.ended(self._trace)
            running = self._attention(second, layer)
            times = times.plus(self._gpu(first, layer + 1))
            running.ended(self._trace)
        return times.plus(self._gpu(second, len(self._kinds)))

    def _gpu(self, chunk: Chunk, segment: int) -> StepTimes:
        began = perf_counter()
        with self._trace.span("GPU", f"segment {segment} of chunk at {chunk.start}"):
            return chunk.segments[segment].run(began)

    def _attention(self, chunk: Chunk, layer: int) -> Running:
        began = perf_counter()
        name = f"attention {layer} of chunk at {chunk.start}"
        return Running(name, began, self._npu.start(self._kinds[layer], chunk.lane, chunk.start, chunk.rows))
