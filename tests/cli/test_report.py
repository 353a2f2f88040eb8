"""A benchmark's record: what stands in it, what is refused, how it is drawn."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kernelc.target import TargetSpec
from kernelrt.bench import plot
from kernelrt.bench.roofline import MARGIN, Roof, check, stated_peak
from kernelrt.errors import RunError
from tests.cli.reports import phase, report


def test_raw_samples_stay_in_the_record() -> None:
    found: Any = json.loads(json.dumps(report().describe()))
    for name, count in (("prefill", 1), ("decode", 20)):
        kept = found[name]["samples"]
        assert {key: len(values) for key, values in kept.items()} == dict.fromkeys(kept, count)
        assert found[name]["gpu_s"]["median"] == pytest.approx(float(np.median(kept["gpu_s"])))
        assert found[name]["wall_s"]["p90"] == pytest.approx(float(np.quantile(kept["wall_s"], 0.9)))
    assert found["decode"]["gpu_s"]["outliers"] == [19]
    assert found["decode"]["samples"]["gpu_s"][19] == pytest.approx(12e-3)
    assert found["bandwidth"]["samples"] == [9.0, 10.0, 9.5]
    assert found["outlier_rule"]


def test_rates_are_amounts_over_the_right_clock() -> None:
    found: Any = report().describe()["prefill"]
    assert found["gbs"]["median"] == pytest.approx(10**7 / 32e-3 / 1e9)
    assert found["tflops"]["median"] == pytest.approx(10**9 / 32e-3 / 1e12)
    assert found["tokens_per_s"]["median"] == pytest.approx(1 / 33e-3)
    assert found["bandwidth_share"] == pytest.approx(found["gbs"]["median"] / 10)
    assert found["peak_share"] is None


def test_the_text_has_every_figure() -> None:
    text = report(tflops=2.0).text
    for word in ("llvmpipe", "tiny-host", "10.0 GB/s", "1 of 20", "tok/s", "TFLOP/s", "CPU, without waiting"):
        assert word in text
    assert "of the target's peak" in text
    assert "of the target's peak" not in report().text


def test_a_figure_above_the_measured_bandwidth_is_no_record() -> None:
    # 10 MB in 4 ms are 2.5 GB/s
    report(read_gbs=2.5).check()
    with pytest.raises(RunError, match=r"decode, p90: 2\.5 GB/s is above the roofline: measuring fault"):
        report(read_gbs=2.5 / MARGIN - 0.01).check()


def test_a_figure_above_the_stated_peak_is_no_record() -> None:
    # 1 GFLOP in 4 ms are 0.25 TFLOP/s
    report(tflops=0.2501).check()
    with pytest.raises(RunError, match=r"0\.25 TFLOP/s is above the roofline: measuring fault"):
        report(tflops=0.2499).check()


def test_a_device_that_works_longer_than_the_wall_clock_is_no_record() -> None:
    steps = phase("decode", [1.0] * 4)
    late = tuple(replace(sample, wall_s=sample.gpu_s / (MARGIN + 0.01)) for sample in steps.samples)
    with pytest.raises(RunError, match="timestamps are wrong"):
        replace(steps, samples=late).check(Roof(100, None))


@pytest.mark.parametrize("gbs", [math.nan, math.inf, -1.0])
def test_a_rate_that_is_none_is_refused(gbs: float) -> None:
    with pytest.raises(RunError, match="above the roofline"):
        check("x", Roof(100, None), gbs, 0.0)
    with pytest.raises(RunError, match="above the roofline"):
        check("x", Roof(100, 100), 0.0, gbs)


@pytest.mark.parametrize(
    ("target", "device", "peak"),
    [
        ("h200", "NVIDIA H200", 1978.9),
        ("h200", "NVIDIA H100", None),
        ("phoenix", "AMD Radeon 780M (RADV PHOENIX)", 17.8),
        ("phoenix", "llvmpipe (LLVM 19.1.7, 256 bits)", None),
        ("host", "llvmpipe (LLVM 19.1.7, 256 bits)", None),
    ],
)
def test_a_peak_holds_on_its_own_device_alone(target: str, device: str, peak: float | None) -> None:
    assert stated_peak(TargetSpec.load(target).describe(), device) == peak


def test_a_plot_is_a_picture_of_the_samples() -> None:
    png = plot.draw(report())
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png == plot.draw(report())
    assert png != plot.draw(report(gpu_ms=5.0))
