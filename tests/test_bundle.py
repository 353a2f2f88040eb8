"""The bundle's format: what is written comes back, and what is there is replaced whole or not at all."""

import os
import shutil
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path
from typing import Any

import pytest

from kernelrt import atomic
from kernelrt import errors as e
from kernelrt.bundle import Bundle, check_place, load, write
from kernelrt.manifest import SCHEMA
from tests.fixtures.builds import tree
from tests.fixtures.bundles import CODE, entry, rewrite, sample


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
    intact = victim.read_bytes()
    for damaged in (intact[:-1], intact.replace(b'"grid"', b'"gird"'), intact + b"\xff"):
        assert damaged != intact
        victim.write_bytes(damaged)
        with pytest.raises(e.BundleError):
            load(place)
        assert write(place, sample())
        assert load(place) == sample()


def test_a_bundle_with_files_missing_or_of_an_older_build_is_replaced(folder: Path) -> None:
    (folder / "kernels" / "older.spv").write_bytes(CODE)
    (folder / "kernels" / "a.spv").unlink()
    assert write(folder, sample())
    assert load(folder) == sample()


def test_a_bundle_of_another_version_is_replaced(folder: Path) -> None:
    rewrite(folder, lambda fields: fields.update(schema=SCHEMA + 1, abi=7, more=[1]))
    with pytest.raises(e.SchemaError):
        load(folder)
    assert write(folder, sample())
    assert load(folder) == sample()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    assert write(tmp_path / "bundle", sample())
    assert load(tmp_path / "bundle") == sample()


def test_a_link_says_by_its_own_name_which_shape_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.kcb").symlink_to(tmp_path / "data")
    assert write(tmp_path / "x.kcb", sample())
    assert (tmp_path / "data").is_file()
    assert load(tmp_path / "x.kcb") == sample()
    assert not write(tmp_path / "x.kcb", sample())


def test_it_follows_a_link_to_where_the_bundle_is(tmp_path: Path, folder: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    write(link, sample("c"))
    assert link.is_symlink()
    assert load(folder) == sample("c")


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


@pytest.mark.parametrize("look", [check_place, lambda place: write(place, sample("c"))], ids=["check", "write"])
def test_a_build_waits_for_another_one_to_put_its_bundle_there(place: Path, look: Callable[[Path], Any]) -> None:
    """And does not take what it sees meanwhile for something foreign."""
    write(place, sample())
    aside = place.with_name("aside")
    with ThreadPoolExecutor(1) as pool:
        with atomic.locked(place.parent):
            os.rename(place, aside)
            place.mkdir()
            (place / "half.spv").write_bytes(CODE)
            looking = pool.submit(look, place)
            with pytest.raises(TimeoutError):
                looking.result(0.2)
            shutil.rmtree(place)
            os.rename(aside, place)
        looking.result(60)


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
