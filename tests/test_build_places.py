"""Where a build may put its store and its bundles: refused before there is any work, with nothing touched."""

import os
from pathlib import Path

import pytest

from kernelrt.bundle import load, write
from kernelrt.errors import Exit
from tests.fixtures.bundles import sample
from tests.fixtures.cli import SMALL, built, kernelc, one_clear_error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # the store and the outputs in one another
        (["--store", "dl", "--out", "dl"], "--out dl"),
        (["--store", "dl", "--out", "dl/b"], "--out dl/b"),
        (["--store", "dl", "--out", "dl/entries/b"], "--out dl/entries/b"),
        (["--store", "dl", "--out", "other/../dl/b"], "may not lie in one another"),
        (["--store", "dl", "--out", "link/b"], "may not lie in one another"),
        (["--store", "ob/store", "--out", "ob"], "--out ob"),
        (["--store", "dl", "--out", "ob", "--bundle-file", "dl/x.kcb"], "--bundle-file dl/x.kcb"),
        (["--store", "x.kcb/store", "--out", "ob", "--bundle-file", "x.kcb"], "--bundle-file x.kcb"),
        (["--store", "build"], "--out build/bundles/tiny-host"),
        # the outputs in one another
        (["--store", "dl", "--out", "ob", "--bundle-file", "ob/x.kcb"], "--bundle-file ob/x.kcb"),
        (["--store", "dl", "--out", "x.kcb/ob", "--bundle-file", "x.kcb"], "--bundle-file x.kcb"),
        # the current folder
        (["--out", "."], "current folder"),
        (["--out", ".."], "current folder"),
        (["--out", "../here"], "current folder"),
        # names
        (["--store", ""], "--store"),
        (["--out", ""], "--out"),
        (["--bundle-file", ""], "--bundle-file"),
        (["--store", "dl", "--out", "x.kcb"], "--bundle-file"),
        (["--store", "dl", "--out", "X.KCB"], "--bundle-file"),
        (["--store", "dl", "--out", ".kcb"], "--bundle-file"),
        (["--store", "dl", "--bundle-file", "x.zip"], ".kcb"),
        # options that exclude one another
        (["--store", "dl", "--only", "ffn_*", "--out", "ob"], "--only"),
        (["--store", "dl", "--only", "ffn_*", "--bundle-file", "x.kcb"], "--only"),
    ],
)
def test_a_wrong_place_is_refused_before_any_work(tmp_path: Path, words: list[str], said: str) -> None:
    here = tmp_path / "project" / "here"
    (here / "other").mkdir(parents=True)
    (here / "link").symlink_to("dl")
    done = kernelc("build", *SMALL, *words, cwd=here, KERNELC_STORE=str(tmp_path / "usual"))
    one_clear_error(done, Exit.INPUT, said)
    assert len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in here.iterdir()) == ["link", "other"]
    assert list(tmp_path.glob("*/*")) == [here]
    assert list(tmp_path.iterdir()) == [here.parent]


def test_the_store_of_the_environment_counts_too(tmp_path: Path) -> None:
    done = kernelc("build", *SMALL, "--out", tmp_path / "store" / "b", KERNELC_STORE=str(tmp_path / "store"))
    one_clear_error(done, Exit.INPUT, "may not lie in one another")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_by_another_name_is_the_same_folder(tmp_path: Path) -> None:
    """As a bind mount gives: the names differ, the folder does not."""
    (tmp_path / "store").mkdir()
    done = kernelc("build", *SMALL, "--store", tmp_path / "store", "--out", f"/proc/self/root{tmp_path}/store/b")
    one_clear_error(done, Exit.INPUT, "may not lie in one another")


def test_a_target_whose_name_ends_like_a_bundle_file(tmp_path: Path) -> None:
    target = tmp_path / "host.toml"
    source = Path(__file__).parents[1] / "kernelc" / "targets" / "host.toml"
    text = source.read_text()
    assert 'name = "host"' in text
    target.write_text(text.replace('name = "host"', 'name = "host.KCB"'))
    words = ("--model", "tiny", "--seq", "512", "--batch", "1", "--target", target, "--store", tmp_path / "store")
    done = kernelc("build", *words, cwd=tmp_path)
    one_clear_error(done, Exit.INPUT, "host.KCB")
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_in_the_way_is_refused_before_any_work(tmp_path: Path) -> None:
    project, pipe, app = tmp_path / "project", tmp_path / "x.kcb", tmp_path / "app"
    (project / "kernels").mkdir(parents=True)
    (project / "kernels" / "main.cu").write_text("mine")
    app.mkdir()
    (app / "manifest.json").write_text('{"name": "my web app"}')
    os.mkfifo(pipe)
    store = ("--store", tmp_path / "store")
    for folder in (project, app):
        one_clear_error(kernelc("build", *SMALL, *store, "--out", folder), Exit.STORE, str(folder), "give another")
    done = kernelc("build", *SMALL, *store, "--out", tmp_path / "out", "--bundle-file", pipe)
    one_clear_error(done, Exit.STORE, str(pipe), "no regular file")
    assert (project / "kernels" / "main.cu").read_text() == "mine"
    assert (app / "manifest.json").read_text() == '{"name": "my web app"}'
    assert pipe.is_fifo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["app", "project", "x.kcb"]


def test_a_bundle_that_one_stands_in_stays(tmp_path: Path) -> None:
    write(tmp_path / "bundle", sample())
    done = kernelc("build", *SMALL, "--store", tmp_path / "store", "--out", ".", cwd=tmp_path / "bundle")
    one_clear_error(done, Exit.INPUT, "current folder")
    assert load(tmp_path / "bundle") == sample()


def test_a_current_folder_that_was_removed(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    away = {"cwd": gone, "before": gone.rmdir}  # the new process stands in it by then
    done = kernelc("build", *SMALL, "--store", tmp_path / "store", "--out", "out", **away)
    one_clear_error(done, Exit.STORE, "out: ", "current folder was removed")
    gone.mkdir()
    built(*SMALL, "--store", tmp_path / "store", "--out", tmp_path / "out", **away)
    assert load(tmp_path / "out")


def test_a_file_name_in_capitals(tmp_path: Path) -> None:
    words = (*SMALL, "--store", tmp_path / "store", "--out", tmp_path / "out", "--bundle-file", tmp_path / "X.KCB")
    built(*words)
    assert (tmp_path / "X.KCB").is_file()
    assert load(tmp_path / "X.KCB") == load(tmp_path / "out")
