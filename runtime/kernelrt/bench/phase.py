"""The samples of one phase, prefill or decode, and the figures that they give."""

import math
from dataclasses import dataclass

from kernelrt.bench import roofline
from kernelrt.bench.roofline import Roof
from kernelrt.bench.statistics import Summary, summarise
from kernelrt.cost import Cost


@dataclass(frozen=True, slots=True)
class Sample:
    """One step in seconds: `wall_s` by the host's clock, `gpu_s` on the device by its timestamps, `cpu_s` the engine's
    own work on the host, without waiting for the device. `cost` is the least that the step did.
    """

    wall_s: float
    gpu_s: float
    cpu_s: float
    cost: Cost


@dataclass(frozen=True, slots=True)
class Phase:
    """`title` says what one sample is."""

    name: str
    title: str
    samples: tuple[Sample, ...]

    @property
    def wall(self) -> Summary:
        return summarise(f"{self.name}: wall clock", [s.wall_s for s in self.samples])

    @property
    def gpu(self) -> Summary:
        return summarise(f"{self.name}: GPU time", [s.gpu_s for s in self.samples])

    @property
    def cpu(self) -> Summary:
        return summarise(f"{self.name}: CPU time", [s.cpu_s for s in self.samples])

    @property
    def tokens_per_s(self) -> Summary:
        """By the wall clock."""
        return self._rate("tokens a second", [(s.cost.tokens, s.wall_s) for s in self.samples])

    @property
    def gbs(self) -> Summary:
        """GB/s (1e9 bytes) read in the GPU's time."""
        return self._rate("GB/s", [(s.cost.bytes / 1e9, s.gpu_s) for s in self.samples])

    @property
    def tflops(self) -> Summary:
        """TFLOP/s in the GPU's time."""
        return self._rate("TFLOP/s", [(s.cost.flops / 1e12, s.gpu_s) for s in self.samples])

    def check(self, roof: Roof) -> None:
        """Raises RunError where a figure that would be shown is above what the device can do."""
        # In all: where a step is submitted ahead, a result that the host saw late shortens the next one's wall clock.
        roofline.check_clock(
            f"{self.name}, in all", sum(s.gpu_s for s in self.samples), sum(s.wall_s for s in self.samples)
        )
        # p90 of a rate is above its median, so that it alone has to be looked at.
        roofline.check(f"{self.name}, p90", roof, self.gbs.p90, self.tflops.p90)

    def describe(self, roof: Roof) -> dict[str, object]:
        """Figures and raw samples as plain JSON values; times in seconds."""
        return {
            "sample": self.title,
            "wall_s": self.wall.describe(),
            "gpu_s": self.gpu.describe(),
            "cpu_s": self.cpu.describe(),
            "tokens_per_s": self.tokens_per_s.describe(),
            "gbs": self.gbs.describe(),
            "bandwidth_share": self.gbs.median / roof.read_gbs,
            "tflops": self.tflops.describe(),
            "peak_share": None if roof.tflops is None else self.tflops.median / roof.tflops,
            "samples": {
                "wall_s": [s.wall_s for s in self.samples],
                "gpu_s": [s.gpu_s for s in self.samples],
                "cpu_s": [s.cpu_s for s in self.samples],
                "tokens": [s.cost.tokens for s in self.samples],
                "flops": [s.cost.flops for s in self.samples],
                "bytes": [s.cost.bytes for s in self.samples],
            },
        }

    def _rate(self, unit: str, of: list[tuple[float, float]]) -> Summary:
        """Amounts over seconds; a step of no time at all is no sample."""
        rates = [amount / seconds if seconds > 0 else math.inf for amount, seconds in of]
        return summarise(f"{self.name}: {unit}", rates)
