"""The bundle's format: what is written comes back, and what is there is replaced whole or not at all."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelrt import atomic
from kernelrt import errors as e
from kernelrt.bundle import Bundle, load, write
from tests.fixtures.builds import tree
from tests.fixtures.bundles import CODE, entry, sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    write(path, sample())
    return path


@pytest.fixture(params=["bundle", "bundle.kcb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def test_what_is_written_comes_back(place: Path) -> None:
    bundle = sample()
    assert write(place, bundle)
    loaded = load(place, model="tiny", target="host")
    assert loaded == bundle
    assert loaded.read(loaded.kernel("a")) == CODE
    with pytest.raises(KeyError):
        loaded.kernel("c")


def test_both_shapes_have_the_same_content(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "x.kcb", sample())
    with zipfile.ZipFile(tmp_path / "x.kcb") as z:
        assert {name: z.read(name) for name in z.namelist()} == tree(folder)
        assert z.namelist()[0] == "manifest.json"


def test_the_same_bundle_is_not_written_again(place: Path) -> None:
    write(place, sample())
    before = place.stat().st_ino
    assert not write(place, sample())
    assert place.stat().st_ino == before


def test_another_bundle_replaces_it_whole(place: Path) -> None:
    write(place, sample("a", "b"))
    assert write(place, sample("c"))
    assert load(place) == sample("c")
    assert [p.name for p in place.parent.iterdir()] == [place.name]


def test_a_damaged_bundle_is_replaced(place: Path) -> None:
    write(place, sample())
    victim = place / "manifest.json" if place.is_dir() else place
    victim.write_bytes(b"{")
    assert write(place, sample())
    assert load(place) == sample()


def test_it_follows_a_link_to_where_the_bundle_is(tmp_path: Path, folder: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    write(link, sample("c"))
    assert link.is_symlink()
    assert load(folder) == sample("c")


@pytest.mark.parametrize(
    ("prepare", "name"),
    [
        (lambda p: (p / "bundle").mkdir() or (p / "bundle" / "thesis.tex").write_text("years of work"), "bundle"),
        (lambda p: (p / "bundle").write_text("a file"), "bundle"),
        (lambda p: (p / "x.kcb").mkdir(), "x.kcb"),
        (lambda p: (p / "parent").write_text("a file"), "parent/bundle"),
    ],
)
def test_what_is_no_bundle_is_not_replaced(tmp_path: Path, prepare: Callable[[Path], Any], name: str) -> None:
    prepare(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(e.BundleWriteError):
        write(tmp_path / name, sample())
    assert tree(tmp_path) == before


def test_what_the_loader_would_refuse_is_not_written(tmp_path: Path) -> None:
    twice = sample("a", "a")
    with pytest.raises(e.DuplicateError):
        write(tmp_path / "bundle", twice)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_set_aside_by_a_dead_writer_is_put_back_or_replaced(tmp_path: Path, folder: Path) -> None:
    aside = tmp_path / f".bundle.old-{'0' * 32}"
    half = tmp_path / f".bundle.new-{'1' * 32}"
    os.rename(folder, aside)
    half.mkdir()
    (half / "manifest.json").write_text("{")
    assert not write(folder, sample()), "the same bundle was there, under its other name"
    assert load(folder) == sample()
    os.rename(folder, aside)
    assert write(folder, sample("c"))
    assert load(folder) == sample("c")
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_is_data(folder: Path) -> None:
    assert Bundle(sample().manifest, sample().contents) == load(folder)
    assert entry("a") == load(folder).kernel("a")


def test_where_names_cannot_be_exchanged_a_bundle_is_replaced_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system without RENAME_EXCHANGE."""
    monkeypatch.setattr(atomic, "_exchange", lambda a, b: False)
    assert write(folder, sample("c"))
    assert load(folder) == sample("c")
    assert [p.name for p in folder.parent.iterdir()] == ["bundle"]
