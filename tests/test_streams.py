"""The command's streams: closed, full, a terminal, of another encoding; and what it loads before it hears signals."""

import ast
import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest

from kernelrt.bundle import load
from kernelrt.errors import Exit
from tests.fixtures.cli import ROOT, SMALL, built, command, environment, kernelc, one_clear_error

KERNEL = "ffn_down.b1.q4_0"
ENUM = (
    "_signal",
    "enum",
    "types",
    "operator",
    "_operator",
    "functools",
    "collections",
    "itertools",
    "_collections",
    "_functools",
    "keyword",
    "reprlib",
    "_collections_abc",
    "_abc",
    "abc",
    "_weakref",
    "_thread",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a built bundle and its store."""
    path = tmp_path_factory.mktemp("streams")
    built(*SMALL, "--out", path / "out", "--store", path / "store")
    return path


def shell(line: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Runs `kernelc` by a line of bash, in which $K stands for it and $S for the small plan."""
    words = {"K": " ".join(command()), "S": " ".join(SMALL)}
    told_bash = ["bash", "-o", "pipefail", "-c", line]
    env = environment(**words, **more)
    return subprocess.run(told_bash, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["version", "plan $S --json", "--help", f"show {KERNEL} $S --emit spirv", "doctor"])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_a_result_that_cannot_be_printed_is_one_clear_error(words: str, where: str) -> None:
    one_clear_error(shell(f"$K {words} {where}"), Exit.STORE, "stdout")


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_messages_that_cannot_be_printed_stop_no_build(tmp_path: Path, place: Path, where: str) -> None:
    done = shell(f"$K build $S --out {tmp_path / 'out'} --store {tmp_path / 'store'} {where}")
    assert (done.returncode, done.stderr) == (0, "")
    assert load(tmp_path / "out") == load(place / "out")
    assert shell(f"$K build --quant q3 {where}").returncode == Exit.INPUT


def test_a_name_that_the_encoding_lacks_is_printed_escaped(tmp_path: Path, place: Path) -> None:
    words = ("build", *SMALL, "--out", tmp_path / "☃", "--store", place / "store")
    done = kernelc(*words, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "\\u2603: " in done.stdout
    assert built(*words[1:], PYTHONIOENCODING="latin-1")["bundle"] == str(tmp_path / "☃")


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen(
        command("plan", *SMALL), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 141, "as a program that SIGPIPE ended"
    process.stderr.close()


def test_little_is_imported_before_signals_are_listened_to() -> None:
    program = "import sys; before = set(sys.modules); import kernelc.cli; print(sorted(set(sys.modules) - before))"
    paths = [str(ROOT), str(ROOT / "runtime")]
    words = [command()[0], "-I", "-S", "-c", f"import sys; sys.path += {paths!r}; {program}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    own = {"kernelc", "kernelc.cli", "kernelrt", "kernelrt.console", "__future__"}
    own |= {"kernelrt.console.main", "kernelrt.console.interrupts"}
    assert set(ast.literal_eval(done.stdout)) - own <= {"signal", *ENUM}, "signal imports enum"


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = command("build", *SMALL, "--only", "ffn_*", "--store", tmp_path / "store")
    process = subprocess.Popen(words, cwd=ROOT, env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0) as terminal:
        while block := terminal.read(4096):  # EIO at the end
            seen += block
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"\x1b[" in seen
    assert b"compiled ffn_" in seen
    assert b"0 failed" in output
