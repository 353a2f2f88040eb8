"""What is where a bundle is to be, and is no bundle, stays untouched."""

import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kernelrt import errors as e
from kernelrt.bundle import check_place, load, write
from kernelrt.container import pack
from kernelrt.manifest import encode
from tests.fixtures.bundles import CODE, sample

MANIFEST = encode(sample().manifest)
APP = b'{"name": "my web app"}'


def files(contents: Mapping[str, bytes]) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        for name, data in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)

    return fill


def _with(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    """A bundle, and something else with it."""

    def fill(folder: Path) -> None:
        write(folder, sample())
        change(folder)

    return fill


def _linked_kernels(folder: Path) -> None:
    os.rename(folder / "kernels", folder.parent / "elsewhere")
    (folder / "kernels").symlink_to(folder.parent / "elsewhere")


def _linked_manifest(folder: Path) -> None:
    os.rename(folder / "manifest.json", folder.parent / "elsewhere")
    (folder / "manifest.json").symlink_to(folder.parent / "elsewhere")


def _zipped(name: str, data: bytes) -> Callable[[Path], None]:
    def fill(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as z:
            z.writestr(name, data)

    return fill


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every entry under a folder: its mode, and the bytes of a file or of a link."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        mode, data = path.lstat().st_mode, b""
        if stat.S_ISREG(mode):
            data = path.read_bytes()
        elif stat.S_ISLNK(mode):
            data = os.readlink(path).encode()
        found[str(path.relative_to(folder))] = (mode, data)
    return found


FOLDERS = {
    "other files": files({"thesis.tex": b"years of work"}),
    "only kernels": files({"kernels/main.cu": CODE}),
    "only kernels like ours": files({"kernels/a.spv": CODE}),
    "a foreign manifest": files({"manifest.json": APP}),
    "a foreign manifest with our keys": files({"manifest.json": b'{"abi": 1, "digest": "0", "schema": 1}'}),
    "a foreign manifest and kernels like ours": files({"manifest.json": APP, "kernels/a.spv": CODE}),
    "an empty manifest": files({"manifest.json": b"", "kernels/a.spv": CODE}),
    "a manifest that is a folder": files({"manifest.json/x": b""}),
    "a manifest that is a pipe": lambda p: p.mkdir() or os.mkfifo(p / "manifest.json"),
    "kernels that are a file": files({"manifest.json": MANIFEST, "kernels": b"mine"}),
    "a bundle and a source": _with(files({"kernels/main.cu": CODE})),
    "a bundle and a hidden file": _with(files({".git/config": b""})),
    "a bundle and a module outside its folder": _with(files({"b.spv": CODE})),
    "a bundle and a folder": _with(lambda p: (p / "empty").mkdir()),
    "a bundle and a folder named like a module": _with(files({"kernels/x.spv/mine": b""})),
    "a bundle and a pipe": _with(lambda p: os.mkfifo(p / "kernels" / "x.spv")),
    "a bundle and a link": _with(lambda p: (p / "kernels" / "x.spv").symlink_to("/etc/passwd")),
    "a link to kernels": _with(_linked_kernels),
    "a link to a manifest": _with(_linked_manifest),
    "a file": lambda p: p.write_bytes(b"mine"),
    "a bundle file": lambda p: p.write_bytes(pack({"manifest.json": MANIFEST, **sample().contents})),
    "a pipe": os.mkfifo,
    "a device": lambda p: p.symlink_to("/dev/null"),
    "itself": lambda p: p.symlink_to(p),
}
FILES = {
    "a folder": lambda p: p.mkdir(),
    "a bundle folder": lambda p: write(p.with_suffix(""), sample()) and os.rename(p.with_suffix(""), p),
    "a text": lambda p: p.write_bytes(b"mine"),
    "nothing in it": lambda p: p.write_bytes(b""),
    "a manifest": lambda p: p.write_bytes(MANIFEST),
    "a zip": _zipped("thesis.tex", b"years of work"),
    "a zip with a foreign manifest": _zipped("manifest.json", APP),
    "a zip with our manifest as another file": _zipped("other.json", MANIFEST),
    "a pipe": os.mkfifo,
    "a device": lambda p: p.symlink_to("/dev/zero"),
    "itself": lambda p: p.symlink_to(p),
}


@pytest.mark.parametrize(
    ("name", "prepare"),
    [
        *(pytest.param("bundle", prepare, id=f"folder: {what}") for what, prepare in FOLDERS.items()),
        *(pytest.param("x.kcb", prepare, id=f"file: {what}") for what, prepare in FILES.items()),
        pytest.param("parent/bundle", lambda p: p.parent.write_bytes(b"mine"), id="a file for a parent"),
    ],
)
def test_what_is_no_bundle_is_not_replaced(tmp_path: Path, name: str, prepare: Callable[[Path], Any]) -> None:
    path = tmp_path / name
    prepare(path)
    before = listing(tmp_path)
    for attempt in (lambda: check_place(path), lambda: write(path, sample("c"))):
        with pytest.raises(e.BundleWriteError) as caught:
            attempt()
        assert str(caught.value).startswith((str(path), os.path.realpath(path)))
        assert "\n" not in str(caught.value)
        assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["bundle", "bundle.kcb", "BUNDLE.KCB", "a/b/c"])
def test_a_place_for_a_bundle(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    check_place(path)
    assert list(tmp_path.iterdir()) == [], "looking at a place changes nothing"
    write(path, sample())
    check_place(path)
    assert path.is_file() == name.lower().endswith(".kcb")
    assert load(path) == sample()


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    mine = tmp_path / (".bundle.old-" + "my backup of the best bundle ever"[:32])
    mine.mkdir()
    write(tmp_path / "bundle", sample())
    write(tmp_path / "bundle", sample("c"))
    assert mine.is_dir()


def test_a_current_folder_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for attempt in (lambda: check_place(Path("out")), lambda: write(Path("out"), sample())):
        with pytest.raises(e.BundleWriteError, match="No such file"):
            attempt()
    assert write(tmp_path / "out", sample())
