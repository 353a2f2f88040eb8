"""Decode steps with attention on the NPU: GPU and NPU in turn, for nothing of a token is left to do side by side."""

from collections.abc import Callable, Mapping
from time import perf_counter

from kernelrt.gemma import Finish
from kernelrt.gpu.run import Recording
from kernelrt.inputs import smallest
from kernelrt.machine import Machine
from kernelrt.npu.decode import Decode
from kernelrt.run_plan import RunPlan
from kernelrt.running import Running
from kernelrt.step import Segments, StepTimes, Submitted
from kernelrt.trace import Trace


class SplitDecode:
    """Steps on GPU and NPU. The GPU's part by the most rows that it serves."""

    def __init__(self, programs: Mapping[int, Segments], npu: Decode, trace: Trace) -> None:
        self._programs = programs
        self._npu = npu
        self._trace = trace

    @staticmethod
    def of(
        plan: RunPlan, machine: Machine, npu: Decode, ends: Callable[[int], Mapping[Finish, Recording]], trace: Trace
    ) -> "SplitDecode":
        """Records the segments of a plan; `ends` by rows."""
        assert plan.split.decode is not None
        programs = {
            rows: Segments.of([machine.record(segment) for segment in segments], ends(rows))
            for rows, segments in plan.split.decode.segments.items()
        }
        return SplitDecode(programs, npu, trace)

    def step(self, positions: Mapping[int, int], how: Finish, began: float) -> StepTimes:
        """A step whose inputs are written, to its next tokens: the slot of each sequence and where its token stands.

        The host's time counts from `began`. Raises NpuError and GpuError.
        """
        segments = self._programs[smallest(self._programs, len(positions))].ending(how)
        where = f"of step at {', '.join(map(str, positions.values()))}"
        self._npu.tell(positions)
        times = self._gpu(segments[0], f"segment 0 {where}", began)
        for layer, segment in enumerate(segments[1:]):
            began = perf_counter()
            Running(f"attention {layer} {where}", began, self._npu.start(layer, positions)).ended(self._trace)
            times = times.plus(self._gpu(segment, f"segment {layer + 1} {where}", perf_counter()))
        return times

    def _gpu(self, segment: Submitted, name: str, began: float) -> StepTimes:
        with self._trace.span("GPU", name):
            return segment.run(began)
