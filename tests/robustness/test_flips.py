"""One bit flipped in each file of a store: the next build notices, says so, and gives the same bundle."""

import random
from pathlib import Path

from kernelc.folder import MARKER
from kernelc.store import Store
from tests.fixtures.builds import tree
from tests.fixtures.cli import SMALL, kernelc, one_clear_error


def test_one_flipped_bit_in_each_stored_file(tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    words = ("build", *SMALL, "--out", out, "--store", store)
    assert kernelc(*words).returncode == 0
    reference, intact = tree(out), tree(store)
    entries = Store(store).keys()
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    places = random.Random(seed)
    kinds = sorted({Path(name).name for name in intact if name.startswith("entries/")})
    assert kinds == ["entry.json", "kernel.spv", "meta.json", "source.comp"]
    others = sorted(name for name in intact if not name.startswith("entries/") and name != MARKER)
    assert len(others) == 2, "the history and what is remembered of the tools"
    for kind in [*kinds, *others]:
        flipped = [name for name in intact if name == kind or (kind in kinds and Path(name).name == kind)]
        for name in flipped:
            data = bytearray((store / name).read_bytes())
            bit = places.randrange(len(data) * 8)
            data[bit // 8] ^= 1 << bit % 8
            (store / name).write_bytes(data)
        done = kernelc(*words)
        assert done.returncode == 0, done.stderr
        assert tree(out) == reference
        if kind in kinds:
            assert f"{len(entries)} compiled" in done.stdout
            assert done.stderr.count("was damaged") == len(entries)
        assert Store(store).verify() == (len(entries), {})
    left = {name: data for name, data in tree(store).items() if not name.startswith("quarantine/")}
    assert left == intact


def test_one_flipped_bit_in_the_marker_is_one_clear_error(tmp_path: Path) -> None:
    store = tmp_path / "store"
    Store(store)
    (store / MARKER).write_bytes(bytes([b ^ 1 if i == 3 else b for i, b in enumerate((store / MARKER).read_bytes())]))
    one_clear_error(kernelc("build", *SMALL, "--store", store), 5, MARKER, "--store")
