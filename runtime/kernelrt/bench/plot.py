"""A benchmark as a picture; needs the optional package matplotlib."""

import importlib
import io
from typing import Any

from kernelrt.bench.report import Report
from kernelrt.bench.statistics import Summary
from kernelrt.errors import KernelrtError

_SIZE = (10.0, 8.0)  # inches
_DPI = 120

# The package is optional and its types are incomplete: its objects are `Any` in this module.
Axes = Any
Figure = Any


class PlotToolError(KernelrtError):
    """matplotlib is not there, or does not load."""


def check_matplotlib() -> None:
    """Raises PlotToolError where no plot could be drawn."""
    _figure_class()


def draw(report: Report) -> bytes:
    """A PNG: for each phase the raw samples of wall clock and GPU in their order, with median, p10-p90 and outliers."""
    figure: Figure = _figure_class()(figsize=_SIZE, dpi=_DPI, layout="constrained")
    figure.suptitle(f"{report.device['name']}\n{', '.join(f'{k} {v}' for k, v in report.subject.items())}", fontsize=9)
    grid = figure.subplots(len(report.phases), 2, squeeze=False)
    for row, phase in zip(grid, report.phases, strict=True):
        wall, gpu = [s.wall_s for s in phase.samples], [s.gpu_s for s in phase.samples]
        _draw_samples(row[0], f"{phase.name}: wall clock of {phase.title}", wall, phase.wall)
        _draw_samples(row[1], f"{phase.name}: GPU time of {phase.title}", gpu, phase.gpu)
    png = io.BytesIO()
    # Without metadata, so that equal samples give equal bytes.
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _draw_samples(axes: Axes, title: str, seconds: list[float], summary: Summary) -> None:
    milliseconds = [s * 1e3 for s in seconds]
    outliers = list(summary.outliers)
    axes.plot(range(len(seconds)), milliseconds, ".", markersize=4, label="samples")
    axes.axhline(summary.median * 1e3, linewidth=1, label=f"median {summary.median * 1e3:.3f} ms")
    axes.axhspan(summary.p10 * 1e3, summary.p90 * 1e3, alpha=0.2, label="p10 to p90")
    if outliers:
        marked = [milliseconds[i] for i in outliers]
        axes.plot(outliers, marked, "x", color="red", markersize=6, label=f"outliers: {len(outliers)}")
    axes.set_title(title, fontsize=8)
    axes.set_xlabel("sample")
    axes.set_ylabel("ms")
    axes.set_ylim(0, 1.1 * max(milliseconds) or 1)
    axes.legend(fontsize=7)


def _figure_class() -> Any:
    # Figure without pyplot draws by Agg: no display is asked for.
    try:
        return importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise PlotToolError(
            f"--plot needs matplotlib ({error}): pip install 'kernelrt[plot]', or leave --plot out"
        ) from None
