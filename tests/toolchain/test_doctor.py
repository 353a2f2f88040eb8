"""What the doctor finds, and what it says of what is not there."""

import json
from pathlib import Path

import pytest

from kernelc.doctor import examine
from kernelc.toolchain import glslang, radv_driver
from kernelrt.console.finding import Finding, able
from tests.fixtures import npu_tools
from tests.fixtures.cli import kernelc


def _named(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_every_tool_is_named_once_with_its_state() -> None:
    findings = examine()
    named = _named(findings)
    assert len(named) == len(findings)
    expected = {
        "glslang (slangpy wheel)",
        "glslang (PATH)",
        "SPIRV-Tools",
        "RADV null device (phoenix)",
        "Vulkan loader",
        "lavapipe (CPU)",
        "XRT (pyxrt)",
        "aiecc (mlir-aie)",
        "Peano (llvm-aie)",
        "xclbinutil",
    }
    assert expected <= set(named)
    for finding in findings:
        assert finding.where if finding.found else finding.cost, finding
        assert not finding.cost or not finding.found, finding


def test_what_the_build_needs_is_there_with_version_and_features() -> None:
    named = _named(examine())
    wheel = named["glslang (slangpy wheel)"]
    assert wheel.found
    assert wheel.note == "in use"
    assert "GL_KHR_cooperative_matrix" in wheel.features
    radv = named["RADV null device (phoenix)"]
    assert radv.found
    assert "coopmat_f16" in radv.features
    assert "Mesa" in radv.version
    lavapipe = named["lavapipe (CPU)"]
    assert lavapipe.found
    assert "float16" in lavapipe.features


def test_one_of_two_compilers_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = examine()
    named = _named(findings)
    assert able(findings)
    assert named["glslang (slangpy wheel)"].needed is not named["glslang (PATH)"].found
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(glslang, "SUPPORTED_WHEELS", ("0.0",))
    findings = examine()
    named = _named(findings)
    assert "kernelc knows 0.0" in named["glslang (slangpy wheel)"].note
    assert named["glslang (PATH)"].needed
    assert not able(findings)


def test_a_loader_without_a_driver_is_there_and_the_devices_are_not(tmp_path: Path) -> None:
    done = kernelc("doctor", "--json", VK_DRIVER_FILES=str(tmp_path / "no.json"), VK_ICD_FILENAMES="/no.json")
    named = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert named["Vulkan loader"]["found"]
    assert not named["lavapipe (CPU)"]["found"]
    assert named["lavapipe (CPU)"]["cost"]
    assert not named["GPU"]["found"]


def test_what_is_missing_is_said_with_its_cost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npu_tools.not_installed(monkeypatch, tmp_path)
    monkeypatch.setattr(radv_driver, "_DATA_FOLDERS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    named = _named(examine())
    assert not named["glslang (PATH)"].found
    radv = named["RADV null device (phoenix)"]
    assert not radv.found
    assert "RADV is not installed" in radv.note
    assert "no register counts" in radv.cost
    assert "radv:phoenix was not there at build time" in radv.cost  # as kernelc/compile.py has it in the manifest
    assert "mesa-vulkan-drivers" in radv.install
    for name in ("aiecc (mlir-aie)", "Peano (llvm-aie)", "xclbinutil"):
        assert not named[name].found
        assert "no xclbin is made" in named[name].cost
        assert "aiecc was not there at build time" in named[name].cost  # as kernelc/npu/tools.py has it in the manifest


def test_the_tools_of_an_xclbin_are_found_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npu_tools.installed(monkeypatch, tmp_path)
    named = _named(examine())
    assert named["aiecc (mlir-aie)"].where == str(tmp_path / "mlir_aie" / "bin" / "aiecc")
    assert "--aie-generate-xclbin" in named["aiecc (mlir-aie)"].note
    assert "llc with -aie-disable-fold-imm" in named["aiecc (mlir-aie)"].note
    assert named["Peano (llvm-aie)"].where == str(tmp_path / "llvm-aie")
    assert named["xclbinutil"].found
    (tmp_path / "llvm-aie" / "bin" / "llc").unlink()
    named = _named(examine())
    assert "no bin/llc" in named["Peano (llvm-aie)"].note
    assert "no bin/llc" in named["aiecc (mlir-aie)"].note
