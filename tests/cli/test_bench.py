"""`kernelrt bench` on lavapipe: the record, the plot, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from kernelrt.engine import Engine
from kernelrt.errors import Exit
from tests.cli.conftest import Place
from tests.cli.process import CPU, kernelrt, told
from tests.fixtures.cli import one_clear_error

SHORT = ("--prefill", "6", "--decode", "4", "--iterations", "3")


def test_a_record_has_every_sample(place: Place, tmp_path: Path) -> None:
    picture = tmp_path / "bench.png"
    found = told("bench", "--bundle", place.bundle, "--random-weights", *CPU, *SHORT, "--batch", "2", "--plot", picture)
    assert found["settings"] == {"prefill": 6, "decode": 4, "batch": 2, "iterations": 3, "exact": False}
    assert found["warm_up_iterations"] >= 1
    for phase, samples, tokens in (("prefill", 3 * 2, 6), ("decode", 3 * 4, 2)):
        kept = found[phase]["samples"]
        assert {len(values) for values in kept.values()} == {samples}
        assert set(kept["tokens"]) == {tokens}
        for clock in ("wall_s", "gpu_s", "cpu_s"):
            assert min(kept[clock]) > 0
            assert found[phase][clock]["median"] == pytest.approx(float(np.median(kept[clock])))
        assert sum(kept["gpu_s"]) <= sum(kept["wall_s"])  # of one step it need not be: the host may see a result late
        assert found[phase]["gbs"]["median"] > 0
        assert found[phase]["tflops"]["median"] > 0
        assert 0 < found[phase]["bandwidth_share"] <= 1.05
    assert found["bandwidth"]["read_gbs"] == max(found["bandwidth"]["samples"]) > 0
    assert found["memory"]["categories"]["measurement"] >= 64 << 20
    assert found["decode"]["samples"]["bytes"][0] < found["decode"]["samples"]["bytes"][3], "the cache grows"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_text_says_how_it_was_measured(place: Place) -> None:
    words = ("bench", "--bundle", place.bundle, "--weights", place.weights, *CPU, *SHORT, "--weights-cache", "off")
    done = kernelrt(*words)
    assert done.returncode == 0, done.stderr
    for word in ("measured on llvmpipe", "read bandwidth", "GPU", "CPU, without waiting", "tok/s", "GB/s", "TFLOP/s"):
        assert word in done.stdout
    assert str(place.weights) in done.stdout


def test_more_than_the_bundle_holds_is_refused(place: Place) -> None:
    done = kernelrt("bench", "--bundle", place.bundle, "--random-weights", *CPU, "--prefill", "60", "--decode", "5")
    one_clear_error(done, Exit.INPUT, "need 65 tokens", "the bundle has 64", "--seq 65")
    done = kernelrt("bench", "--bundle", place.bundle, "--random-weights", *CPU, *SHORT, "--batch", "9")
    one_clear_error(done, Exit.INPUT, "--batch: 9", "8")


def test_an_impossible_figure_is_an_error_and_no_record(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decode that reads faster than the device can: the measured rate is made smaller than it is."""
    read = Engine.measure_read
    monkeypatch.setattr(Engine, "measure_read", lambda *a: [rate / 1e5 for rate in read(*a)])
    picture = tmp_path / "bench.png"
    words = ("bench", "--bundle", place.bundle, "--random-weights", *CPU, *SHORT, "--json", "--plot", picture)
    done = kernelrt(*words)
    one_clear_error(done, Exit.FAILED, "above the roofline: measuring fault", "nothing is recorded")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_plot_without_matplotlib_is_refused_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("bench", "--bundle", "nowhere", "--random-weights", *SHORT, "--plot", tmp_path / "p.png")
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)  # as Python marks what cannot be imported
    one_clear_error(kernelrt(*words), Exit.TOOL, "--plot needs matplotlib", "pip install 'kernelrt[plot]'")
    assert list(tmp_path.iterdir()) == []


def test_a_plot_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    words = ("bench", "--bundle", "nowhere", "--random-weights", "--plot", tmp_path / "no" / "p.png")
    one_clear_error(kernelrt(*words), Exit.STORE, "--plot", "cannot be written", "No such file")
