"""Ctrl-C, and readers that leave: the process ends at once, as it should, and leaves nothing behind."""

import signal
import subprocess
from pathlib import Path

import pytest

from kernelrt.errors import Exit
from tests.cli.conftest import Place
from tests.cli.process import command, prepared
from tests.fixtures.cli import ROOT, environment, one_clear_error


def ended(process: "subprocess.Popen[str]", words: list[str]) -> "subprocess.CompletedProcess[str]":
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def started(words: list[str], **more: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, env=environment(**more), stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["kernels", "weights", "weights cache"])
def test_an_interrupt_while_loading(place: Place, tmp_path: Path, what: str, number: int) -> None:
    """The signal comes in the middle of each stage of loading: the real one, sent by the process to itself."""
    hook = (
        "import os; from kernelrt.commands.progress import Lines; told = Lines.__call__\n"
        "def hit(self, what, done, total):\n"
        "    told(self, what, done, total)\n"
        f"    if what == {what!r} and done > 0: os.kill(os.getpid(), {int(number)})\n"
        "Lines.__call__ = hit"
    )
    cache = tmp_path / "cache"
    words = (*place.run, "--tokens", "2", "--weights-cache", "always", "--dump-logits", tmp_path / "logits.npy")
    line = prepared(hook, *words)
    done = ended(started(line, KERNELRT_CACHE=str(cache)), line)
    one_clear_error(done, Exit.INTERRUPTED, "interrupted; nothing is half written")
    assert done.stdout == ""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_generating(place: Place, tmp_path: Path, number: int) -> None:
    words = (*place.run, "--tokens", "2,17", "--max-tokens", "62", "--weights-cache", "off", "--stop", "no such text")
    line = command(*words, "--dump-logits", tmp_path / "logits.npy")
    process = started(line)
    assert process.stdout is not None
    first = process.stdout.read(1)
    process.send_signal(number)
    done = ended(process, line)
    one_clear_error(done, Exit.INTERRUPTED, "interrupted")
    assert first
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_measuring(place: Place, tmp_path: Path) -> None:
    line = command("bench", "--bundle", place.bundle, "--random-weights", "--device", "llvmpipe", "--prefill", "8")
    line += ["--decode", "8", "--iterations", "100000", "--json", "--plot", str(tmp_path / "plot.png")]
    process = started(line)
    assert process.stderr is not None
    while process.stderr.readline() != "iterations ...\n":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    done = ended(process, line)
    one_clear_error(done, Exit.INTERRUPTED, "interrupted")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_weights_are_written(tmp_path: Path) -> None:
    hook = (
        "import os; from kernelrt.commands.progress import Lines\n"
        f"Lines.__call__ = lambda self, what, done, total: os.kill(os.getpid(), {int(signal.SIGINT)})"
    )
    for name in ("a.gguf", "a"):
        line = prepared(hook, "make-weights", "--model", "tiny", "--out", tmp_path / name)
        one_clear_error(ended(started(line), line), Exit.INTERRUPTED, "interrupted")
        assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_ends_the_run_quietly(place: Place, tmp_path: Path) -> None:
    words = (*place.run, "--tokens", "2,17", "--max-tokens", "62", "--weights-cache", "off")
    process = started(command(*words, "--dump-logits", tmp_path / "logits.npy"))
    assert process.stdout is not None
    assert process.stdout.read(1)
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    assert process.wait(60) == 128 + signal.SIGPIPE, said
    process.stderr.close()
    assert "error" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["run", "devices", "version", "doctor", "plan-memory"])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_a_result_that_cannot_be_printed_is_one_clear_error(place: Place, words: str, where: str) -> None:
    more = {"run": (*place.run[1:], "--tokens", "2", "--max-tokens", "2"), "plan-memory": ("--bundle", place.bundle)}
    line = " ".join([*command(words, *more.get(words, ())), where])
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    one_clear_error(done, Exit.STORE, "stdout")
