"""A disk that is full, read-only or not ours: one clear error, and nothing half written."""

import ctypes
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernelc.store import Store
from kernelrt.bundle import load
from tests.fixtures.builds import tree
from tests.fixtures.cli import SMALL, built, kernelc, one_clear_error

PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_modes() -> None:
    """For a new process: file modes count for root too. (Another user cannot give that power up, having none.)"""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
    libc.prctl(_PR_CAPBSET_DROP, _CAP_DAC_READ_SEARCH, 0, 0, 0)


def mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting needs root on a machine of one's own: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 64 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", path)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@dataclass(frozen=True)
class Reference:
    """The right bundle, and how much of a file system its store and itself take."""

    bundle: dict[str, bytes]
    store_pages: int

    @property
    def bundle_pages(self) -> int:
        return pages(self.bundle)


def pages(files: dict[str, bytes]) -> int:
    return sum(-(-len(data) // PAGE) for data in files.values())


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    place = tmp_path_factory.mktemp("reference")
    built(*SMALL, "--out", place / "out", "--store", place / "store")
    return Reference(tree(place / "out"), pages(tree(place / "store")))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_full_disk_under_the_store(tmp_path: Path, disk: Path, reference: Reference, share: float) -> None:
    size = int(share * reference.store_pages) * PAGE
    mount("-o", f"remount,size={size}", disk)
    words = (*SMALL, "--out", tmp_path / "out", "--store", disk / "store")
    one_clear_error(kernelc("build", *words), 5, "full")
    assert not (tmp_path / "out").exists()
    mount("-o", "remount,size=64m", disk)
    assert Store(disk / "store").verify()[1] == {}
    built(*words)
    assert tree(tmp_path / "out") == reference.bundle


def test_a_full_disk_under_the_bundle(tmp_path: Path, disk: Path, reference: Reference) -> None:
    words = (*SMALL, "--out", disk / "out", "--store", tmp_path / "store")
    mount("-o", f"remount,size={reference.bundle_pages // 2 * PAGE}", disk)
    one_clear_error(kernelc("build", *words), 5, f"{disk / 'out'}: ", "No space left", f"({disk}/", "--out")
    assert list(disk.iterdir()) == []
    file = ("--out", tmp_path / "out", "--bundle-file", disk / "x.kcb")
    done = kernelc("build", *SMALL, "--store", tmp_path / "store", *file)
    one_clear_error(done, 5, f"{disk / 'x.kcb'}: ", "No space left", f"({disk}/", "--bundle-file")
    assert list(disk.iterdir()) == []
    mount("-o", "remount,size=64m", disk)
    built(*words)
    assert tree(disk / "out") == reference.bundle
    # A full disk leaves the bundle of before.
    mount("-o", f"remount,size={reference.bundle_pages * 4 // 3 * PAGE}", disk)
    one_clear_error(kernelc("build", *words, "--quant", "q8_0"), 5, "No space left")
    assert tree(disk / "out") == reference.bundle
    assert [p.name for p in disk.iterdir()] == ["out"]


def test_files_that_may_not_grow(tmp_path: Path, reference: Reference) -> None:
    """The same without a mount: a write that ends early."""
    words = (*SMALL, "--out", tmp_path / "out", "--store", tmp_path / "store")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    one_clear_error(kernelc("build", *words, before=limit), 5)
    assert not (tmp_path / "out").exists()
    built(*words)
    assert tree(tmp_path / "out") == reference.bundle
    assert Store(tmp_path / "store").verify()[1] == {}


def _by_mode(store: Path) -> Callable[[], None]:
    for folder, _, files in os.walk(store):
        os.chmod(folder, 0o555)
        for file in files:
            os.chmod(Path(folder, file), 0o444)
    return obey_modes


def _by_mount(store: Path) -> Callable[[], None]:
    mount("-o", "remount,ro", store.parent)
    return lambda: None


@pytest.mark.parametrize("close", [_by_mode, _by_mount])
def test_a_read_only_store_gives_what_it_has(
    tmp_path: Path, request: pytest.FixtureRequest, close: Callable[[Path], Callable[[], None]]
) -> None:
    disk: Path = request.getfixturevalue("disk") if close is _by_mount else tmp_path
    store = disk / "store"
    words = (*SMALL, "--store", store)
    built(*words, "--out", tmp_path / "one")
    before = close(store)
    try:
        again = built(*words, "--out", tmp_path / "two", before=before)
        assert again["kernels"]["compiled"] == 0
        assert tree(tmp_path / "two") == tree(tmp_path / "one")
        assert kernelc("cache", "verify", "--store", store, before=before).returncode == 0
        missing = kernelc("build", *words, "--quant", "q8_0", "--out", tmp_path / "three", before=before)
        one_clear_error(missing, 5, "read-only", "--store")
        assert not (tmp_path / "three").exists()
        one_clear_error(kernelc("cache", "gc", "--days", "0", "--store", store, before=before), 5)
    finally:
        for folder, _, _ in os.walk(store):
            if close is _by_mode:
                os.chmod(folder, 0o755)
    assert load(tmp_path / "two")


def test_a_read_only_place_for_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    words = (*SMALL, "--store", tmp_path / "store", "--out", tmp_path / "place" / "out")
    built(*words)
    before = tree(tmp_path / "place")
    (tmp_path / "place").chmod(0o555)
    one_clear_error(kernelc("build", *words, "--quant", "q8_0", before=obey_modes), 5, "Permission denied")
    assert built(*words, before=obey_modes)["kernels"]["compiled"] == 0, "what is there already need not be written"
    (tmp_path / "place").chmod(0o755)
    assert tree(tmp_path / "place") == before


def test_a_bundle_that_may_not_be_read(tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "x.kcb"
    words = (*SMALL, "--store", tmp_path / "store", "--out", out, "--bundle-file", file)
    built(*words)
    before = tree(tmp_path)
    for closed, usual in ((file, 0o644), (out, 0o755), (out / "kernels", 0o755), (out / "manifest.json", 0o644)):
        closed.chmod(0)
        bundle = file if closed == file else out
        try:
            one_clear_error(kernelc("verify", bundle, before=obey_modes), 4, "Permission denied", str(bundle))
            one_clear_error(kernelc("build", *words, before=obey_modes), 5, "Permission denied", str(closed))
        finally:
            closed.chmod(usual)
    assert tree(tmp_path) == before


def test_a_store_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o000)
    for verb in (
        ["build", *SMALL, "--out", tmp_path / "out"],
        ["cache", "stats"],
        ["cache", "gc"],
        ["cache", "verify"],
    ):
        done = kernelc(*verb, "--store", tmp_path / "theirs" / "store", before=obey_modes)
        one_clear_error(done, 5, "permission denied", "--store")
    assert not (tmp_path / "out").exists()
    one_clear_error(kernelc("verify", tmp_path / "theirs" / "out", before=obey_modes), 4, "Permission denied")


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for store in (tmp_path / "file", tmp_path / "file" / "store"):
        done = kernelc("build", *SMALL, "--out", tmp_path / "out", "--store", store)
        one_clear_error(done, 5, "a file is where a folder should be")
    assert (tmp_path / "file").read_text() == "in the way"
