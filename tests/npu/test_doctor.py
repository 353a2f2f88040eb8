"""What the doctor says of the NPU: a folder stands for /dev and /sys, which have none here."""

import os
from pathlib import Path

import pytest

from kernelrt.console.finding import Finding, able, print_findings
from kernelrt.npu.doctor import driver, examine, simulator


def test_what_the_npu_needs_is_named_with_what_its_absence_costs() -> None:
    findings = tuple(examine())
    assert [f.name.split(" (")[0] for f in findings] == ["NPU driver", "XRT", "NPU", "NPU simulator"]
    for finding in findings:
        assert finding.where if finding.found else finding.cost and finding.install, finding
    assert able(findings), "nothing of the NPU is needed to run a bundle"
    assert findings[-1].found
    assert "xdsl 0." in findings[-1].version


def test_the_driver_is_the_one_of_the_npu_and_may_be_opened(tmp_path: Path) -> None:
    devices, classes = tmp_path / "dev", tmp_path / "class"
    devices.mkdir()
    assert "no device of amdxdna" in driver(devices, classes).note
    for number, name in ((0, "habanalabs"), (1, "amdxdna")):
        (tmp_path / "drivers" / name).mkdir(parents=True)
        (classes / f"accel{number}" / "device").mkdir(parents=True)
        (classes / f"accel{number}" / "device" / "driver").symlink_to(tmp_path / "drivers" / name)
    closed = driver(devices, classes)
    assert (closed.found, closed.install) == (False, "make the user a member of the group `render`")
    assert str(devices / "accel1") in closed.note
    (devices / "accel1").touch()
    assert driver(devices, classes) == Finding("NPU driver (amdxdna)", True, str(devices / "accel1"))


def test_a_simulator_without_a_package_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    found = simulator(("xdsl", "absent-package"))
    assert not found.found
    assert "without absent-package" in found.note
    print_findings([found], json=False)
    assert "         install: pip install 'kernelrt[sim]'" in capsys.readouterr().out.split(os.linesep)
