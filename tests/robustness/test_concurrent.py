"""Many builds at once on one store, and a reader of a bundle that is being exchanged."""

import json
import subprocess
from pathlib import Path

from kernelc.store import Store
from kernelrt.bundle import load, write
from tests.fixtures.builds import tree
from tests.fixtures.bundles import sample
from tests.fixtures.cli import ROOT, SMALL, built, command, environment

BUILDS = 8


def test_eight_builds_at_once(tmp_path: Path) -> None:
    """Half of them write to one place. Every kernel is compiled once in all."""
    reference = built(*SMALL, "--out", tmp_path / "reference", "--store", tmp_path / "other")
    places = [tmp_path / ("shared" if i % 2 else f"out{i}") for i in range(BUILDS)]
    processes = [
        subprocess.Popen(
            command("build", *SMALL, "-j", "2", "--json", "--out", place, "--store", tmp_path / "store"),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    compiled = 0
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        compiled += json.loads(output)["kernels"]["compiled"]
    assert compiled == reference["kernels"]["compiled"]
    for place in places:
        assert tree(place) == tree(tmp_path / "reference")
    assert Store(tmp_path / "store").verify()[1] == {}


def test_a_reader_sees_one_bundle_or_the_other(tmp_path: Path) -> None:
    """While another process exchanges two bundles without pause, every load gives one of them whole."""
    place, one, other = tmp_path / "bundle", sample("a", "b"), sample("a", "c", "d")
    write(place, one)
    program = (
        "from pathlib import Path; from kernelrt.bundle import write; from tests.fixtures.bundles import sample\n"
        "print(flush=True)\n"
        f"while True: [write(Path({str(place)!r}), s) for s in (sample('a', 'c', 'd'), sample('a', 'b'))]\n"
    )
    words = [command()[0], "-c", program]
    writer = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        seen = [load(place) for _ in range(400)]
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()
    assert all(bundle in (one, other) for bundle in seen)
    assert one in seen
    assert other in seen
