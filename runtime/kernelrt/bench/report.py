"""What a benchmark found, as JSON values and as text."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kernelrt.bench.phase import Phase
from kernelrt.bench.roofline import Roof
from kernelrt.bench.statistics import OUTLIER_RULE, Summary, summarise
from kernelrt.console.output import table


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured: `prefill` tokens of each prompt, `decode` steps of `batch` sequences, `iterations` of both;
    `exact` as in kernelrt.run_plan.Options."""

    prefill: int = 512
    decode: int = 128
    batch: int = 1
    iterations: int = 20
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """`subject` says what ran (bundle, model, formats, weights), `device` where ("name", "driver"); `bandwidth_gbs` are
    the raw read rates, GB/s; `memory` and `load` are the engine's words on both. `warm_up` counts iterations before the
    first that is kept.
    """

    subject: Mapping[str, object]
    device: Mapping[str, object]
    settings: Settings
    warm_up: int
    bandwidth_gbs: tuple[float, ...]
    roof: Roof
    phases: tuple[Phase, ...]
    memory: Mapping[str, object]
    load: Mapping[str, object]

    def check(self) -> None:
        """Raises RunError where a figure is above what the device can do: then there is no record."""
        for phase in self.phases:
            phase.check(self.roof)

    def describe(self) -> dict[str, object]:
        """All of it, the raw samples too, as plain JSON values."""
        return {
            "level": "measured",
            **self.subject,
            "device": dict(self.device),
            "settings": asdict(self.settings),
            "warm_up_iterations": self.warm_up,
            "outlier_rule": OUTLIER_RULE,
            "bandwidth": {
                "read_gbs": self.roof.read_gbs,
                "of": "the highest sample",
                "gbs": summarise("bandwidth", self.bandwidth_gbs).describe(),
                "samples": list(self.bandwidth_gbs),
            },
            "peak_tflops": self.roof.tflops,
            **{phase.name: phase.describe(self.roof) for phase in self.phases},
            "memory": dict(self.memory),
            "load": dict(self.load),
        }

    @property
    def text(self) -> str:
        s = self.settings
        rows = [("", "", "median", "p10", "p90", "outliers", "")]
        for phase in self.phases:
            rows += _rows(phase)
        spread = summarise("bandwidth", self.bandwidth_gbs)
        peak = "" if self.roof.tflops is None else f"; the target's peak: {self.roof.tflops:.1f} TFLOP/s"
        return "\n".join(
            (
                f"measured on {self.device['name']} ({self.device['driver']})",
                ", ".join(f"{key} {value}" for key, value in self.subject.items()),
                f"{s.iterations} iterations after {self.warm_up} of warm-up; batch {s.batch}; outliers: {OUTLIER_RULE}",
                f"read bandwidth: {self.roof.read_gbs:.1f} GB/s, the highest of {spread.count} samples "
                f"(median {spread.median:.1f}, p10 {spread.p10:.1f}, p90 {spread.p90:.1f}){peak}",
                *(f"{phase.name}: one sample is {phase.title}" for phase in self.phases),
                table(rows, right=(2, 3, 4, 5)),
                *(self._shares(phase) for phase in self.phases),
            )
        )

    def _shares(self, phase: Phase) -> str:
        share = f"{phase.name}: {phase.gbs.median / self.roof.read_gbs:.1%} of the measured read bandwidth"
        if self.roof.tflops is None:
            return share
        return f"{share}, {phase.tflops.median / self.roof.tflops:.1%} of the target's peak"


def _rows(phase: Phase) -> list[tuple[str, str, str, str, str, str, str]]:
    figures: tuple[tuple[str, Summary, float, str], ...] = (
        ("wall clock", phase.wall, 1e3, "ms"),
        ("GPU", phase.gpu, 1e3, "ms"),
        ("CPU, without waiting", phase.cpu, 1e6, "us"),
        ("tokens", phase.tokens_per_s, 1, "tok/s"),
        ("read", phase.gbs, 1, "GB/s"),
        ("arithmetic", phase.tflops, 1, "TFLOP/s"),
    )
    return [
        (
            phase.name,
            what,
            f"{summary.median * scale:.4g}",
            f"{summary.p10 * scale:.4g}",
            f"{summary.p90 * scale:.4g}",
            f"{len(summary.outliers)} of {summary.count}",
            unit,
        )
        for what, summary, scale, unit in figures
    ]
