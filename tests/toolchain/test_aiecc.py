"""kernelc's side of aiecc: where it is looked for, what it is told, what is made of its answers.

No aiecc was at hand: tests/fixtures/npu_tools.py has programs in its place.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from kernelc.errors import ToolError
from kernelc.toolchain import aiecc, peano
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.xclbin import normalise, read
from tests.fixtures import npu_tools
from tests.fixtures.npu_tools import installed, not_installed
from tests.fixtures.xclbins import Container, usual

SOURCE = "module {\n  aie.device(npu1) {\n    %t = aie.tile(0, 2)\n  }\n}\n"
Install = Callable[..., aiecc.Aiecc]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def chosen(text: str = npu_tools.WORKS, options: str = npu_tools.HELP) -> aiecc.Aiecc:
        installed(monkeypatch, tmp_path / "tools", text, options)
        return aiecc.choose(Memo())

    return chosen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def failing(said: str, code: int = 1) -> str:
    return f"import sys\nsys.stderr.write({said!r})\nsys.exit({code})\n"


def refused(tools: aiecc.Aiecc, folder: Path, timeout: float = 60.0) -> CompileError:
    with pytest.raises(CompileError) as caught:
        aiecc.compile(SOURCE, "attention", tools, folder, ["main"], timeout)
    assert "\n" not in str(caught.value)
    assert caught.value.kernel == "attention"
    return caught.value


def test_a_design_becomes_a_normalised_xclbin_and_instructions(install: Install, folder: Path) -> None:
    made = aiecc.compile(SOURCE, "attention", install(), folder, ["main"])
    assert made.insts == {"main": b"all of it".ljust(64)}
    assert made.xclbin == normalise(Container(sections=usual(pdi=SOURCE.encode())).build())
    assert SOURCE.encode() in read(made.xclbin).sections[1].data


def test_each_sequence_has_its_instructions_and_cores_are_compiled_once(install: Install, folder: Path) -> None:
    kept = "with open('told', 'a') as told:\n    print(*sys.argv[1:], file=told)\n"
    made = aiecc.compile(SOURCE, "attention", install(npu_tools.WORKS + kept), folder, ["one", "two", "three"])
    assert {name: data.split()[0] for name, data in made.insts.items()} == {
        name: f"--sequence-name={name}".encode() for name in ("one", "two", "three")
    }
    told = (folder / "told").read_text().splitlines()
    assert ["--aie-generate-xclbin" in line for line in told] == [True, False, False]
    assert ["--no-compile " in line for line in told] == [False, True, True]


def test_a_run_that_leaves_no_instructions_is_not_given_those_of_the_one_before(install: Install, folder: Path) -> None:
    tools = install("import sys\nif '--sequence-name=two' in sys.argv:\n    sys.exit()\n" + npu_tools.WORKS)
    with pytest.raises(CompileError, match=r"left no insts\.bin"):
        aiecc.compile(SOURCE, "attention", tools, folder, ["one", "two"])


def test_two_builds_in_two_places_give_the_same_bytes(install: Install, tmp_path: Path) -> None:
    tools, made = install(), []
    for name in ("one", "another_place"):
        (tmp_path / name).mkdir()
        made.append(aiecc.compile(SOURCE, "attention", tools, tmp_path / name, ["main"]))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("options", "told", "not_told"),
    [
        (npu_tools.HELP, ["--aie-generate-xclbin", "--aie-generate-npu-insts", "--no-xchesscc"], "--get-xclbin"),
        ("--get=<name> (e.g. --get-xclbin) --xclbin-name", ["--get-xclbin", "--get-npu-insts"], "--no-xchesscc"),
    ],
)
def test_it_is_told_what_its_version_knows(
    install: Install, folder: Path, options: str, told: list[str], not_told: str
) -> None:
    tools = install("import sys\nprint('error:', *sys.argv[1:])\nsys.exit(1)\n", options)
    said = refused(tools, folder).message
    for option in [*told, "--alloc-scheme=basic-sequential", "--xclbin-name=design.xclbin", f"--peano={folder}/peano"]:
        assert option in said
    assert not_told not in said
    assert said.endswith(" design.mlir")
    assert set(told[:1]) <= set(cast(Any, tools.flags["aiecc"])["both"])


def test_the_workaround_reaches_llc_and_is_among_the_flags(install: Install, folder: Path) -> None:
    tools = install()
    assert tools.flags["peano"] == ["-aie-disable-fold-imm"]
    view = tools.peano.view(folder / "peano")
    llc = subprocess.run([view / "bin" / "llc", "x.ll"], capture_output=True, text=True, check=True)
    assert llc.stdout.split()[1:] == ["-aie-disable-fold-imm", "x.ll"]
    assert (view / "bin" / "clang").samefile(tools.peano.root / "bin" / "clang")
    assert (view / "lib").samefile(tools.peano.root / "lib")


def test_a_peano_that_does_not_know_the_workaround_is_not_given_it(install: Install, folder: Path) -> None:
    tools = install()
    npu_tools.program(tools.peano.root / "bin" / "llc", "print('no such option')")
    known = peano.choose(Memo())
    assert known.flags == ()
    assert (known.view(folder / "peano") / "bin" / "llc").samefile(known.root / "bin" / "llc")


def test_the_users_environment_changes_nothing(install: Install, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIE_XCLBINUTIL", "CCC_OVERRIDE_OPTIONS", "AIECC_JOBS", "LLVM_PROFILE_FILE"):
        monkeypatch.setenv(name, "changed")
    tools = install("import os\nprint('error:', *sorted(os.environ))\nraise SystemExit(1)\n")
    names = set(refused(tools, folder).message.rpartition(": ")[2].split()) - {"LC_CTYPE", "LD_LIBRARY_PATH", "PWD"}
    assert names - {"error:"} == {"HOME", "LC_ALL", "PATH", "PEANO_INSTALL_DIR", "PYTHONPATH", "TMPDIR"}


@pytest.mark.parametrize(
    ("said", "line", "text", "message"),
    [
        ("/x/design.mlir:3:8: error: 'aie.tile' op no such tile\n", 3, "%t = aie.tile(0, 2)", "'aie.tile' op no such"),
        ("noise\ndesign.mlir:99:1: error: far\n", 99, "", "far"),
        (
            "/x/design.mlir.prj/input_physical.mlir:6:17: error: allocated buffers exceeded memory\n",
            0,
            "",
            "allocated buffers exceeded memory (line 6 of aiecc's input_physical.mlir)",
        ),
        ("a.mlir:6:17: error: first\ndesign.mlir:2:3: error: second\n", 2, "aie.device(npu1) {", "second"),
        ("Traceback\n  x\nERROR: Section 'PDI' missing\nbye\n", 0, "", "aiecc exited with code 1: ERROR: Section"),
        ("one\nlast words\n\n", 0, "", "aiecc exited with code 1: last words"),
        ("", 0, "", "aiecc exited with code 1: no message"),
        ("\xff\xfe error \x00\n", 0, "", "exited with code 1"),
    ],
)
def test_its_message_names_the_kernel_and_the_line(
    install: Install, folder: Path, said: str, line: int, text: str, message: str
) -> None:
    error = refused(install(failing(said)), folder)
    assert (error.line, error.text.strip()) == (line, text)
    assert error.message.startswith(message) or message in error.message


def test_an_end_by_a_signal_is_named(install: Install, folder: Path) -> None:
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    assert "was ended by SIGSEGV" in refused(install(text), folder).message


def test_one_that_does_not_end_is_stopped_with_all_that_it_started(install: Install, folder: Path) -> None:
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['/bin/sleep', '600'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    tools = install(text)
    assert "did not end within 3 s" in refused(tools, folder, timeout=3).message
    child = int((folder / "child").read_text())
    for _ in range(100):  # until init has taken it
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail("its child still runs")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("os.remove('design.xclbin')", "left no design.xclbin"),
        ("os.remove('insts.bin')", "left no insts.bin"),
        ("Path('insts.bin').write_bytes(b'')", "left no insts.bin"),
        ("Path('insts.bin').write_bytes(b'abcde')", "5 bytes, no whole words"),
        ("Path('design.xclbin').write_bytes(b'x')", "cannot be used: the xclbin is truncated"),
        ("Path('design.xclbin').write_bytes(Path('design.xclbin').read_bytes()[:-9])", "truncated: its header says"),
    ],
)
def test_files_that_are_no_result_are_refused(install: Install, folder: Path, more: str, said: str) -> None:
    assert said in refused(install(npu_tools.WORKS + more), folder).message


def test_the_identity_is_that_of_the_files_of_all_three(install: Install) -> None:
    tools = install()
    before = tools.identities(Memo())
    assert sorted(before) == ["aiecc", "peano", "xclbinutil"]
    root = tools.root
    for path, changed in (
        (root / "bin" / "aie-opt", "aiecc"),
        (tools.program, "aiecc"),
        (root / "bin" / "xclbinutil", "xclbinutil"),
        (tools.peano.root / "bin" / "clang", "peano"),
        (tools.peano.root / "bin" / "ld.lld", "peano"),
    ):
        path.write_text(path.read_text() + "# another\n")
        now = tools.identities(Memo())
        assert [name for name in before if before[name] != now[name]] == [changed], path
        before = now
    more = tools.peano.root / "lib" / "clang" / "21" / "lib" / "aie2-none-unknown-elf" / "libclang_rt.builtins.a"
    more.parent.mkdir(parents=True)
    more.write_bytes(b"archive")
    assert tools.identities(Memo())["peano"] != before["peano"], "the cores are linked with it"


def test_with_a_filled_memo_nothing_is_run(install: Install, tmp_path: Path) -> None:
    memo = Memo()
    tools = install()
    aiecc.choose(memo)
    for path in (tools.program, tools.peano.root / "bin" / "llc"):
        path.chmod(0o644)
    assert aiecc.choose(memo) == tools


def test_the_wheels_are_found_where_python_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    not_installed(monkeypatch, tmp_path)
    npu_tools.aiecc(tmp_path / "site" / "mlir_aie", npu_tools.WORKS)
    npu_tools.peano(tmp_path / "site" / "llvm-aie")
    (tmp_path / "site" / "mlir_aie-1.2.3+abc.dist-info").mkdir()
    (tmp_path / "site" / "llvm_aie-21.0.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    tools = aiecc.choose(Memo())
    assert (tools.version, tools.peano.version) == ("1.2.3+abc", "21.0.0")


def test_it_is_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    not_installed(monkeypatch, tmp_path)
    place = npu_tools.aiecc(tmp_path / "elsewhere", npu_tools.WORKS)
    monkeypatch.setenv("PATH", str(place / "bin"))
    monkeypatch.setenv("PEANO_INSTALL_DIR", str(npu_tools.peano(tmp_path / "peano")))
    assert aiecc.choose(Memo()).program == place / "bin" / "aiecc"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p, at: not_installed(p, at), "aiecc is not installed: no mlir_aie wheel, MLIR_AIE_INSTALL_DIR is not"),
        (lambda p, at: p.setenv("MLIR_AIE_INSTALL_DIR", str(at)), "no aiecc is there"),
        (lambda p, at: p.setenv("PEANO_INSTALL_DIR", str(at)), "no Peano is there (no bin/clang)"),
        (lambda p, at: p.delenv("PEANO_INSTALL_DIR"), "PEANO_INSTALL_DIR is not set"),
        (lambda p, at: (os.remove(at / "mlir_aie/bin/xclbinutil"), p.setenv("PATH", "")), "xclbinutil"),
        (lambda p, at: npu_tools.aiecc(at / "mlir_aie", "", "what?"), "does not answer --help as aiecc does: what?"),
        (lambda p, at: (at / "mlir_aie/bin/aiecc").write_text("#!/none\n"), "does not run"),
        (lambda p, at: (at / "llvm-aie/bin/llc").write_text("#!/none\n"), "does not run"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch, Path], object], said: str
) -> None:
    installed(monkeypatch, tmp_path)
    spoil(monkeypatch, tmp_path)
    with pytest.raises(ToolError) as caught:
        aiecc.choose(Memo())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
