"""What an NPU has begun, until it has ended."""

from dataclasses import dataclass

from kernelrt.npu.run import Pending
from kernelrt.trace import Trace

_TIMEOUT = 600.0  # seconds for one layer's attention: the simulator takes minutes for what the NPU does in milliseconds


@dataclass(frozen=True, slots=True)
class Running:
    """Attention that is under way; `began` is a perf_counter."""

    name: str
    began: float
    pending: Pending

    def ended(self, trace: Trace) -> None:
        """Waits for it. Raises NpuError."""
        self.pending.wait(_TIMEOUT)
        trace.add("NPU", self.name, self.began)
