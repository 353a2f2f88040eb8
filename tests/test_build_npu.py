"""Kernels for the NPU in a build: verified in process; compiled where aiecc is (a program in its place: see
tests/fixtures/npu_tools.py); and what is said and recorded where it is not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from kernelc import history
from kernelc.action import npu_action
from kernelc.errors import StoreError, ToolError
from kernelc.npu import tools, wanted
from kernelc.npu.entry import npu_entry_of
from kernelc.npu.render import render
from kernelc.npu.spec import NpuKernelSpec
from kernelc.npu.wanted import device_of
from kernelc.store import Store
from kernelc.target import TargetSpec
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.xclbin import normalise
from kernelrt.bundle import load
from kernelrt.errors import Exit, InputError
from tests.fixtures import npu_tools
from tests.fixtures.builds import Recorder, tree
from tests.fixtures.cli import SMALL, kernelc, one_clear_error
from tests.fixtures.npu_plan import copy, run
from tests.fixtures.plan import TEMPLATES

ONE, TWO = copy(256), copy(512)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npu_tools.not_installed(monkeypatch, tmp_path)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npu_tools.installed(monkeypatch, tmp_path / "tools")


@pytest.mark.usefixtures("nothing")
def test_without_aiecc_designs_are_verified_and_the_bundle_says_so(tmp_path: Path) -> None:
    result = run((ONE, TWO), tmp_path / "store", tmp_path / "out")
    assert (result.total, result.compiled, result.failures) == (3, 3, ())
    bundle = load(tmp_path / "out")
    assert [k.name for k in bundle.npu_kernels] == ["copy_256", "copy_512"]
    kernel = bundle.npu_kernels[0]
    assert (kernel.evidence, kernel.analysis) == ("validated", {"missing": "aiecc was not there at build time"})
    assert bundle.read(kernel, "mlir").decode() == render(ONE, TEMPLATES)
    assert [(a.name, a.dtype, a.shape, a.access, a.nbytes) for a in kernel.arguments] == [
        ("x", "i32", (16, 16), "r", 1024),
        ("y", "i32", (16, 16), "w", 1024),
    ]
    assert (kernel.sequences, kernel.params) == (("once", "twice"), {"block": 64, "device": "npu1", "size": 256})
    assert bundle.manifest.tools["aiecc"] is None
    assert bundle.manifest.tools["npu-verifier"] is not None
    assert run((ONE, TWO), tmp_path / "store", tmp_path / "out").cached == 3


@pytest.mark.usefixtures("installed")
def test_with_aiecc_they_are_compiled(tmp_path: Path) -> None:
    assert run((ONE,), tmp_path / "store", tmp_path / "out").failures == ()
    bundle = load(tmp_path / "out")
    (kernel,) = bundle.npu_kernels
    assert (kernel.evidence, sorted(kernel.files)) == ("compiled", ["insts.once", "insts.twice", "mlir", "xclbin"])
    assert kernel.analysis == {"compiler": "aiecc", "instruction words": {"once": 16, "twice": 16}}
    assert bundle.read(kernel, "insts.twice").strip() == b"--sequence-name=twice"
    assert normalise(bundle.read(kernel, "xclbin")) == bundle.read(kernel, "xclbin")
    assert {"aiecc", "peano", "xclbinutil", "npu-verifier"} <= bundle.manifest.tools.keys()
    assert list((tmp_path / "store" / "tmp").iterdir()) == [], "what the tools left is gone"


@pytest.mark.usefixtures("installed")
def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run((ONE, TWO), tmp_path / name / "store", tmp_path / name / "out")
    assert tree(tmp_path / "a" / "out") == tree(tmp_path / "b" / "out")


@pytest.mark.usefixtures("installed")
def test_sim_compiles_none_though_it_could(tmp_path: Path) -> None:
    run((ONE,), tmp_path / "store", tmp_path / "out", mode="sim")
    (kernel,) = load(tmp_path / "out").npu_kernels
    assert (kernel.evidence, kernel.analysis) == ("validated", {"missing": "no xclbin was asked for"})


@pytest.mark.parametrize(
    ("kernel", "line", "said"),
    [
        (copy(256, name="wrong", device="npu7"), 3, "npu7"),
        (copy(256, name="wrong", declared="f32"), 9, r"sequence once takes \(i32 x 256, .*declares \(f32 x 256"),
        (copy(256, name="wrong", sequences=("once",)), 0, r"sequences \(once, twice\), the plan \(once\)"),
        (copy(256, name="wrong", block=-1), 6, ""),
    ],
)
@pytest.mark.usefixtures("nothing")
def test_a_wrong_design_is_a_failure_of_its_kernel(tmp_path: Path, kernel: NpuKernelSpec, line: int, said: str) -> None:
    result = run((ONE, kernel), tmp_path / "store", tmp_path / "out")
    (failure,) = result.failures
    assert (failure.kernel, failure.line, result.compiled) == ("wrong", line, 2)
    assert failure.template == str(TEMPLATES / "mlir" / "copy.mlir.j2")
    assert re.search(said, failure.message)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nothing")
def test_a_template_that_is_not_there_is_a_failure_of_its_kernel(tmp_path: Path) -> None:
    (failure,) = run((copy(256, name="lost", family="lost"),), tmp_path / "store").failures
    assert (failure.kernel, failure.rendered) == ("lost", False)
    assert failure.template == str(TEMPLATES / "mlir" / "lost.mlir.j2")


def test_what_aiecc_refuses_is_a_failure_of_its_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "design.mlir:6:5: error: no route\n"
    npu_tools.installed(monkeypatch, tmp_path / "tools", f"import sys\nprint({said!r})\nsys.exit(1)\n")
    (failure,) = run((ONE,), tmp_path / "store", tmp_path / "out").failures
    assert (failure.kernel, failure.line, failure.message) == ("copy_256", 6, "no route")
    assert "aie.objectfifo @into" in failure.text


def test_the_key_holds_the_design_the_device_the_arguments_and_the_tools() -> None:
    made, flags = {"aiecc": {"sha256": "a"}}, {"peano": ["-aie-disable-fold-imm"]}
    key = npu_action(ONE, "text", "npu1", made, flags).key
    assert key == npu_action(replace(ONE, name="other"), "text", "npu1", made, flags).key
    changed = [
        npu_action(ONE, "text ", "npu1", made, flags),
        npu_action(ONE, "text", "npu2", made, flags),
        npu_action(TWO, "text", "npu1", made, flags),
        npu_action(ONE, "text", "npu1", {"aiecc": {"sha256": "b"}}, flags),
        npu_action(ONE, "text", "npu1", {"aiecc": None}, flags),
        npu_action(ONE, "text", "npu1", made, {"peano": []}),
    ]
    assert len({key, *(one.key for one in changed)}) == len(changed) + 1


@pytest.mark.usefixtures("installed")
def test_a_missing_aiecc_recompiles_no_kernel_of_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run((ONE,), tmp_path / "store")
    npu_tools.not_installed(monkeypatch, tmp_path)
    report = Recorder()
    run((ONE,), tmp_path / "store", report=report)
    assert report.states == {"copy_256": "compiled"}
    assert set(history.read(Store(tmp_path / "store"), "tiny-kernels", "host")) == {"add_w64", "copy_256"}


def test_what_is_missing_is_said_loudly_or_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npu_tools.not_installed(monkeypatch, tmp_path)
    (note,) = tools.choose(Memo(), "auto").notes
    assert "aiecc is not installed" in note
    assert "NO xclbin is made" in note
    assert tools.choose(Memo(), "sim").notes == ()
    with pytest.raises(ToolError, match="no xclbin can be made: aiecc is not installed") as caught:
        tools.choose(Memo(), "xclbin")
    assert caught.value.exit_code is Exit.TOOL
    monkeypatch.setattr(tools, "_PACKAGES", {"xdsl": "xdsl", "absent-package": "absent_package.inner"})
    found = tools.choose(Memo(), "auto")
    assert (found.verify, found.identities) == (False, {"npu-verifier": None})
    assert "without absent-package: pip install 'kernelrt[sim]': NO kernels for the NPU" in found.notes[0]
    for mode in ("xclbin", "sim"):
        with pytest.raises(ToolError, match="absent-package"):
            tools.choose(Memo(), mode)


def test_only_a_target_with_an_npu_has_kernels_for_one() -> None:
    phoenix, host = TargetSpec.load("phoenix"), TargetSpec.load("host")
    assert [device_of(phoenix, mode) for mode in ("auto", "xclbin", "sim", "off")] == ["npu1", "npu1", "npu1", ""]
    assert [device_of(host, mode) for mode in ("auto", "sim", "off")] == ["", "npu1", ""]
    with pytest.raises(InputError, match="--npu xclbin: target host has no NPU"):
        device_of(host, "xclbin")
    assert TargetSpec.load("hawkpoint").npu == "npu1"


def test_an_entry_that_no_build_writes_is_one_clear_error() -> None:
    meta = b'{"analysis":{},"evidence":"%s"}'
    for files in ({}, {"design.mlir": b""}, {"design.mlir": b"", "meta.json": meta % b"compiled"}, {"meta.json": b"["}):
        with pytest.raises(StoreError, match=r"store entry of copy_256: no build writes this .*cache gc"):
            npu_entry_of(ONE, files)
    with pytest.raises(StoreError, match="no build writes this"):
        npu_entry_of(ONE, {"design.mlir": b"", "meta.json": meta % b"measured"})


def test_what_is_required_and_missing_is_exit_code_3(tmp_path: Path) -> None:
    phoenix = ("--model", "tiny", "--target", "phoenix", "--seq", "512", "--batch", "1")
    places = ("--store", tmp_path / "store", "--out", tmp_path / "out")
    for words in (["--require", "xclbin"], ["--npu", "xclbin"], ["--require", "xclbin", "--only", "norm*"]):
        where = [] if "--only" in words else places[2:]
        done = kernelc("build", *phoenix, *words, *places[:2], *where, MLIR_AIE_INSTALL_DIR=str(tmp_path))
        one_clear_error(done, Exit.TOOL, "no xclbin can be made: MLIR_AIE_INSTALL_DIR=", "no aiecc is there")
        assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("installed")
def test_xclbins_of_no_kernel_are_no_success() -> None:
    phoenix = TargetSpec.load("phoenix")
    with pytest.raises(InputError, match="no kernel for the NPU is among those to build for phoenix"):
        wanted.request((), phoenix, "xclbin", Memo())
    assert wanted.request((), phoenix, "auto", Memo()) is None
    made = wanted.request((ONE,), phoenix, "xclbin", Memo())
    assert made is not None
    assert (made.kernels, made.device) == ((ONE,), "npu1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--npu", "cuda"], "'cuda' is not one of 'auto', 'xclbin', 'sim', 'off'"),
        (["--require", "spirv"], "'spirv' is not"),
        (["--npu", "xclbin"], "target host has no NPU"),
        (["--require", "xclbin"], "target host has no NPU"),
        (["--npu", "sim", "--require", "xclbin"], "--require xclbin: with --npu sim none is made"),
        (["--npu", "off", "--require", "xclbin"], "--require xclbin: with --npu off none is made"),
    ],
)
def test_a_wrong_wish_is_one_clear_error(tmp_path: Path, words: list[str], said: str) -> None:
    done = kernelc("build", *SMALL, *words, "--store", tmp_path / "store", "--out", tmp_path / "out")
    one_clear_error(done, Exit.INPUT, said)
    assert not (tmp_path / "out").exists()
