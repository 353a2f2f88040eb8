"""The repacked cache file: written once, used at the next start, refused when damaged, never half there."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelrt.gpu.device import Device
from kernelrt.loading import LoadReport
from kernelrt.model import ModelSpec
from kernelrt.weights.cache import CacheMode, cache_key, cache_path
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import write_folder, write_gguf
from tests.fixtures.weights import contents, destination, expected, largest_file, silent
from tests.kernels.harness import fresh_seed
from tests.oracle import weights

MODEL = ModelSpec.load("tiny-odd")
FORMATS = Formats("q4_0", "q8_0")
TENSORS = weights.tensors(MODEL, fresh_seed())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "w", MODEL, TENSORS)


def load(device: Device, path: Path, mode: CacheMode = "auto", formats: Formats = FORMATS) -> LoadReport:
    """Loads, and holds every plane against what it must be."""
    with open_checkpoint(path, mode) as checkpoint, destination(device, MODEL, formats) as target:
        checkpoint.check(MODEL, formats)
        report = checkpoint.load(target, silent)
        found, right = contents(target), expected(TENSORS, MODEL, formats)
        for name, content in right.items():
            assert found[name] == content, name
    return report


def only(folder: Path) -> Path:
    """The one file of the cache."""
    (file,) = folder.iterdir()
    return file


def test_the_second_start_uses_the_file(device: Device, folder: Path, cache_folder: Path) -> None:
    assert "converted" in load(device, folder).how
    file = only(cache_folder)
    second = load(device, folder)
    assert second.how == f"repacked cache file {file}"
    assert second.bytes_read == second.bytes_uploaded
    assert second.notes == ()


def test_the_key_follows_content_and_format_and_not_the_path(
    device: Device, tmp_path: Path, folder: Path, cache_folder: Path
) -> None:
    load(device, folder)
    shutil.copytree(folder, tmp_path / "elsewhere")  # with the times
    assert "cache file" in load(device, tmp_path / "elsewhere").how
    assert "converted" in load(device, folder, formats=Formats("q8_0", "q8_0")).how
    assert len(list(cache_folder.iterdir())) == 2
    touch(folder)
    assert "converted" in load(device, folder).how


def touch(folder: Path, later: int = 1) -> None:
    """The weights are written again, `later` ns after the last time."""
    file = folder / "model.safetensors"
    os.utime(file, ns=(0, file.stat().st_mtime_ns + later))


def test_a_cache_file_goes_when_its_weights_are_gone_or_replaced(
    device: Device, tmp_path: Path, folder: Path, cache_folder: Path
) -> None:
    other = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))  # not every path is Unicode
    shutil.copytree(folder, other)
    touch(other)
    load(device, folder)
    first = only(cache_folder)
    assert load(device, other).notes == ()
    (second,) = set(cache_folder.iterdir()) - {first}
    foreign = cache_folder / "of-another-version.planes"
    foreign.write_bytes(b"not read")
    touch(folder, 2)
    replaced = f"the cache file {first} was removed: {folder / 'model.safetensors'} is gone or was replaced"
    assert load(device, folder).notes == (replaced,)
    (third,) = set(cache_folder.iterdir()) - {second, foreign}
    shutil.rmtree(other)
    report = load(device, folder, formats=Formats("q8_0", "q8_0"))
    assert [str(second) in note for note in report.notes] == [True]
    assert {third, foreign} < set(cache_folder.iterdir())
    assert len(list(cache_folder.iterdir())) == 3
    assert "cache file" in load(device, folder).how


def test_a_cache_file_that_is_cut_off_while_it_is_read_is_made_again(
    device: Device, folder: Path, cache_folder: Path
) -> None:
    load(device, folder)
    file = only(cache_folder)
    whole = file.read_bytes()

    def cut(what: str, done: int, total: int) -> None:
        if done and what == "weights" and file.stat().st_size == len(whole):
            os.truncate(file, 0)

    with open_checkpoint(folder) as checkpoint, destination(device, MODEL, FORMATS) as target:
        (note,) = checkpoint.load(target, cut).notes
        assert contents(target) == expected(TENSORS, MODEL, FORMATS)
    assert f"is made again: {file}: cut off while it was read" in note
    assert file.read_bytes() == whole


def test_bytes_that_changed_under_the_same_time_are_noticed(folder: Path) -> None:
    file = folder / "model.safetensors"

    def key() -> str:
        with open_checkpoint(folder) as checkpoint:
            return cache_key(checkpoint.files, checkpoint.headers, MODEL, FORMATS, 4096)

    before, time = key(), file.stat().st_mtime_ns
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(time, time))
    assert file.stat().st_mtime_ns == time
    assert key() != before


def test_modes(device: Device, tmp_path: Path, folder: Path, cache_folder: Path) -> None:
    load(device, folder, "off")
    assert not cache_folder.exists()
    model = ModelSpec.load("tiny")
    tensors = weights.tensors(model, 1)
    gguf = write_gguf(tmp_path / "w.gguf", model, tensors, "q4_0")
    formats = Formats("q4_0", "q4_0")
    modes: tuple[tuple[CacheMode, int], ...] = (("auto", 0), ("always", 1))
    for mode, files in modes:  # blocks that are used bit for bit are repacked as fast as they are copied
        with open_checkpoint(gguf, mode) as checkpoint, destination(device, model, formats) as target:
            checkpoint.load(target, silent)
        assert len(list(cache_folder.iterdir()) if cache_folder.exists() else []) == files


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_noticed_and_made_again(
    device: Device, folder: Path, cache_folder: Path, data: st.DataObject
) -> None:
    load(device, folder)
    file = only(cache_folder)
    whole = file.read_bytes()
    broken = bytearray(whole)
    if data.draw(st.booleans()):
        del broken[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        place = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.integers(len(whole) - 5000, len(whole) - 1)))
        broken[place] ^= data.draw(st.integers(1, 255))
    padding = place_is_padding(whole, bytes(broken))
    file.write_bytes(broken)
    report = load(device, folder)
    if padding:
        assert "cache file" in report.how
        file.write_bytes(whole)
    else:
        assert "converted" in report.how
        assert "cannot be used and is made again" in report.notes[0]
        assert str(file) in report.notes[0]
    assert file.read_bytes() == whole


def place_is_padding(whole: bytes, broken: bytes) -> bool:
    """Whether the two differ only in a zero between two planes."""
    if len(whole) != len(broken):
        return False
    place = next(i for i, (a, b) in enumerate(zip(whole, broken, strict=True)) if a != b)
    length = int.from_bytes(whole[-16:-8], "little")
    table = json.loads(whole[-16 - length : -16])
    inside = any(start <= place < start + nbytes for _, start, nbytes, _ in table["planes"])
    return not inside and place < len(whole) - 16 - length


def test_a_file_that_cannot_be_written_is_a_note(device: Device, folder: Path, cache_folder: Path) -> None:
    with largest_file(100_000):
        report = load(device, folder)
    assert "converted" in report.how
    assert "no cache file of the weights" in report.notes[0]
    assert list(cache_folder.iterdir()) == []
    shutil.rmtree(cache_folder)
    cache_folder.write_text("not a folder")
    assert "no cache file of the weights" in load(device, folder).notes[0]


def test_an_interruption_while_it_is_written_leaves_nothing(device: Device, folder: Path, cache_folder: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if what == "weights cache" and done > total // 2:
            raise KeyboardInterrupt

    with (
        open_checkpoint(folder) as checkpoint,
        destination(device, MODEL, FORMATS) as target,
        pytest.raises(KeyboardInterrupt),
    ):
        checkpoint.load(target, interrupt)
    assert list(cache_folder.iterdir()) == []


def test_what_a_dead_writer_left_is_removed(device: Device, folder: Path, cache_folder: Path) -> None:
    load(device, folder)
    file = only(cache_folder)
    left = file.with_name(f".{file.name}.part-{'0' * 32}")
    file.rename(left)
    load(device, folder)
    assert list(cache_folder.iterdir()) == [file]


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELRT_CACHE", "/a")
    assert cache_path("k") == Path("/a/weights/k.planes")
    monkeypatch.delenv("KERNELRT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_path("k") == Path("/b/kernelrt/weights/k.planes")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert cache_path("k") == Path("/c/.cache/kernelrt/weights/k.planes")
