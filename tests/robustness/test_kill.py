"""SIGKILL at any instant of a build leaves a right bundle or none, and a store that the next build goes on from."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kernelrt.bundle import load

from kernelc.store import Store
from tests.fixtures.builds import tree
from tests.fixtures.cli import ROOT, SMALL, built, command, environment, kernelc

KILLS = 200
ROUND = 10  # kills before a store is looked at and a new one begun


def test_killed_at_200_instants(tmp_path: Path) -> None:
    """Builds of two bundles into one place, by turns, so that one is exchanged for the other; each is killed."""
    variants = [(*SMALL, "--quant", quant) for quant in ("q4_0", "q8_0")]
    out, references = tmp_path / "out", list[dict[str, bytes]]()
    begin = time.monotonic()
    for i, variant in enumerate(variants):
        built(*variant, "--out", tmp_path / f"reference{i}", "--store", tmp_path / f"store{i}")
        references.append(tree(tmp_path / f"reference{i}"))
    whole = (time.monotonic() - begin) / 2
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}, a build takes {whole:.2f} s")
    instants = random.Random(seed)
    ended = 0
    for turn in range(KILLS // ROUND):
        store = tmp_path / f"killed{turn}"
        for kill in range(ROUND):
            words = command("build", *variants[kill % 2], "--out", out, "--store", store)
            process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.wait(instants.uniform(0.02, 1.1 * whole))
                ended += 1
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            assert process.returncode in (0, -signal.SIGKILL)
            if out.exists():
                load(out)
                assert tree(out) in references
        built(*variants[turn % 2], "--out", out, "--store", store)
        assert tree(out) == references[turn % 2]
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
        assert kernelc("cache", "verify", "--store", store).returncode == 0
        assert Store(store).stats().quarantined == 0
        assert Store(store).stats().temporary == 0
    assert ended < KILLS / 2, "most builds were killed and not over before"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C reaches the whole process group, as a terminal sends it; SIGTERM the first process alone."""
    words = command("build", *SMALL, "-j", "2", "--out", tmp_path / "out", "--store", tmp_path / "store")
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
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
