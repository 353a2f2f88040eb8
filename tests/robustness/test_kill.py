"""SIGKILL at any instant of a build leaves a right bundle or none, and a store that the next build goes on from."""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kernelc.store import Store
from kernelrt.bundle import load
from tests.fixtures.builds import tree
from tests.fixtures.cli import ROOT, SMALL, built, command, environment

KILLS = int(os.environ.get("KILLS", "24"))  # 200 take minutes
ROUND = 10  # kills before a store is looked at and a new one begun


def killed(words: list[str], after: float) -> bool:
    """Starts a process and kills it after so many seconds; False when it had ended, and well, by itself."""
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


def test_killed_at_random_instants(tmp_path: Path) -> None:
    """Builds of two bundles into one place, by turns, so that one is exchanged for the other."""
    variants = [(*SMALL, "--quant", quant) for quant in ("q4_0", "q8_0")]
    out, references = tmp_path / "out", list[dict[str, bytes]]()
    begin = time.monotonic()
    for i, variant in enumerate(variants):
        built(*variant, "--out", tmp_path / f"reference{i}", "--store", tmp_path / f"store{i}")
        references.append(tree(tmp_path / f"reference{i}"))
    whole = (time.monotonic() - begin) / 2
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}, a build takes {whole:.2f} s")
    instants, kills, turn = random.Random(seed), 0, 0
    while kills < KILLS:
        store, turn = tmp_path / f"killed{turn}", turn + 1
        for _ in range(ROUND):
            words = command("build", *variants[kills % 2], "--out", out, "--store", store)
            if not killed(words, instants.uniform(0.1, 1) * whole):
                break  # it got through: go on with an empty store
            kills += 1
            if out.exists():
                load(out)
                assert tree(out) in references
        built(*variants[turn % 2], "--out", out, "--store", store)
        assert tree(out) == references[turn % 2]
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
        assert Store(store).verify()[1] == {}
        assert Store(store).stats().quarantined == Store(store).stats().temporary == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C reaches the whole process group, as a terminal sends it; SIGTERM the first process alone."""
    words = command("build", *SMALL, "-j", "2", "--out", tmp_path / "out", "--store", tmp_path / "store")
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()  # by then it is compiling
    assert "to compile" in first
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "error: interrupted" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "out").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no worker is left
    assert built(*SMALL, "--out", tmp_path / "out", "--store", tmp_path / "store")["kernels"]["failed"] == 0
    assert Store(tmp_path / "store").stats().temporary == 0


@pytest.mark.parametrize("verb", ["build", "doctor"])
def test_interrupted_at_random_instants(tmp_path: Path, verb: str) -> None:
    """In its own code or in a callback of a library, once or twice in a row: it ends, and says so."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    instants, seen = random.Random(seed), list[int]()
    for i in range(12):
        places = ("--out", tmp_path / f"out{i}", "--store", tmp_path / f"store{i}")  # empty: the tools are tried too
        words = command("build", *SMALL, *places) if verb == "build" else command("doctor")
        process = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while not _listens(Path(f"/proc/{process.pid}/status")):
            assert process.poll() is None
        time.sleep(instants.uniform(0, 0.4))
        for _ in range(1 + i % 2):
            process.send_signal(instants.choice([signal.SIGINT, signal.SIGTERM]))
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (0, 130), errors
        assert "Traceback" not in errors
        assert "ignored" not in errors
        if process.returncode == 130:
            assert "error: interrupted" in errors
        elif verb == "build":
            load(tmp_path / f"out{i}")
        seen.append(process.returncode)
    assert 130 in seen


def _listens(status: Path) -> bool:
    """Whether a process has a handler of SIGTERM."""
    (caught,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_a_signal_within_a_call_of_the_compiler_is_neither_lost_nor_costs_code() -> None:
    program = (
        "import signal; from kernelrt.console.interrupts import Interrupted, Interrupts\n"
        "from kernelc.toolchain.slang_library import SlangLibrary, library_path\n"
        "library, interrupts = SlangLibrary(library_path()), Interrupts()\n"
        "source = '#version 460\\nlayout(local_size_x = 1) in;\\nvoid main() {}\\n'\n"
        "whole, caught = library.compile(source, 'k'), 0\n"
        "interrupts.listen()\n"
        "for i in range(300):\n"
        "    found = None\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 2e-5 + i * 2e-6)\n"
        "        found = library.compile(source, 'k')\n"
        "        while True: signal.sigtimedwait((), 1)\n"
        "    except Interrupted:\n"
        "        caught += 1\n"
        "    assert found in (None, whole), found\n"
        "assert caught == 300, caught\n"
    )
    done = subprocess.run(
        [command()[0], "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_killed_worker_costs_one_kernel(tmp_path: Path) -> None:
    words = command("build", *SMALL, "-j", "1", "--out", tmp_path / "out", "--store", tmp_path / "store")
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "to compile" in process.stderr.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (workers := children.read_text().split()):
        assert process.poll() is None
    os.kill(int(workers[0]), signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert errors.count("error: ") == 1
    assert "was ended by SIGKILL" in errors
    assert "1 failed" in output
    result = built(*SMALL, "--out", tmp_path / "out", "--store", tmp_path / "store")
    assert result["kernels"]["compiled"] <= 1
