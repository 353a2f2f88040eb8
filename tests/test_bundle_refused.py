"""What no build writes is refused, each reason with its own error."""

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelrt import errors as e
from kernelrt.abi import ABI
from kernelrt.bundle import load, write
from kernelrt.container import pack
from kernelrt.manifest import MAX_MANIFEST, SCHEMA, encode
from tests.fixtures.bundles import CODE, rewrite, sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    write(path, sample())
    return path


def _kernel(i: int, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["kernels"][i].update({key: value})


def _path(value: str) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["kernels"][0]["files"]["spirv"].update(path=value)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda f: f.update(schema=SCHEMA + 1), e.SchemaError),
        (lambda f: f.update(schema=SCHEMA - 1), e.SchemaError),
        (lambda f: f.update(schema=0), e.SchemaError),
        (lambda f: f.update(abi=ABI + 1), e.AbiError),
        (lambda f: f.update(abi=ABI - 1), e.AbiError),
        (lambda f: f.pop("abi"), e.ManifestError),
        (lambda f: f.update(abi="1"), e.ManifestError),
        (lambda f: f.update(abi=True), e.ManifestError),
        (lambda f: f.pop("target"), e.ManifestError),
        (lambda f: f.update(model={}), e.ManifestError),
        (lambda f: f.update(note="hello"), e.ManifestError),
        (lambda f: f.update(kernels={}), e.ManifestError),
        (_kernel(0, "workgroup", 0), e.ManifestError),
        (_kernel(0, "workgroup", 64.0), e.ManifestError),
        (_kernel(0, "grid", []), e.ManifestError),
        (_kernel(0, "files", {}), e.ManifestError),
        (_kernel(0, "evidence", "hearsay"), e.ManifestError),
        (_kernel(0, "name", "../a"), e.ManifestError),
        (_kernel(0, "params", {"x": None}), e.ManifestError),
        (_kernel(0, "name", "b"), e.DuplicateError),
        (_path("kernels/b.spv"), e.DuplicateError),
        (_path("kernels/B.spv"), e.DuplicateError),
        (_path("manifest.json"), e.DuplicateError),
        (_path("../outside.spv"), e.OutsidePathError),
        (_path("kernels/../../outside.spv"), e.OutsidePathError),
        (_path("/etc/passwd"), e.OutsidePathError),
        (_path("kernels//a.spv"), e.OutsidePathError),
        (_path("./kernels/a.spv"), e.OutsidePathError),
        (_path("kernels\\a.spv"), e.OutsidePathError),
        (_path("kernels/elsewhere.spv"), e.MissingFileError),
    ],
)
def test_a_wrong_manifest_is_refused(folder: Path, change: Callable[[dict[str, Any]], None], error: type) -> None:
    rewrite(folder, change)
    with pytest.raises(error) as caught:
        load(folder)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema":%d,"abi":%d,"schema":%d}' % (SCHEMA, ABI, SCHEMA),
        b'{"schema":%d,"abi":%d,"x":NaN}' % (SCHEMA, ABI),
        b'{"schema":%d,"abi":%d,"x":"\\ud800"}' % (SCHEMA, ABI),
        b'{"schema":1' + b"0" * 5000 + b"}",
        b" " * (MAX_MANIFEST + 1),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_garbage_is_refused(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(e.ManifestError):
        load(folder)


def test_the_same_fields_in_another_spelling_are_refused(folder: Path) -> None:
    rewrite(folder, lambda fields: None, reseal=False)
    with pytest.raises(e.ManifestError, match="altered"):
        load(folder)


def _link(folder: Path) -> None:
    (folder / "kernels" / "a.spv").unlink()
    (folder / "kernels" / "a.spv").symlink_to("/etc/passwd")


def _link_folder(folder: Path) -> None:
    os.rename(folder / "kernels", folder.parent / "elsewhere")
    (folder / "kernels").symlink_to(folder.parent / "elsewhere")


def _link_manifest(folder: Path) -> None:
    os.rename(folder / "manifest.json", folder.parent / "elsewhere")
    (folder / "manifest.json").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda f: (f / "kernels/a.spv").write_bytes(CODE[:-1]), e.TruncatedFileError),
        (lambda f: (f / "kernels/a.spv").write_bytes(CODE + b"\0"), e.TruncatedFileError),
        (lambda f: (f / "kernels/a.spv").write_bytes(CODE[::-1]), e.AlteredFileError),
        (lambda f: (f / "kernels/a.spv").unlink(), e.MissingFileError),
        (lambda f: (f / "kernels/c.spv").write_bytes(CODE), e.ExtraFileError),
        (lambda f: (f / ".hidden").write_bytes(b""), e.ExtraFileError),
        (lambda f: (f / "empty").mkdir(), e.ExtraFileError),
        (lambda f: (f / "kernels" / "empty").mkdir(), e.ExtraFileError),
        (lambda f: os.mkfifo(f / "kernels/pipe"), e.ExtraFileError),
        (_link, e.OutsidePathError),
        (_link_folder, e.OutsidePathError),
        (_link_manifest, e.OutsidePathError),
        (lambda f: (f / "manifest.json").unlink(), e.NotABundleError),
    ],
)
def test_an_altered_folder_is_refused(folder: Path, change: Callable[[Path], Any], error: type) -> None:
    change(folder)
    with pytest.raises(error) as caught:
        load(folder)
    assert type(caught.value) is error


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(e.NotABundleError, match="nothing"):
        load(tmp_path / "nowhere")
    with pytest.raises(e.NotABundleError, match=r"manifest\.json"):
        load(tmp_path)


@pytest.mark.parametrize("wanted", ["other", {"name": "tiny", "layers": 3}, {"name": "tiny", "heads": 1}])
def test_a_wrong_model_is_refused(folder: Path, wanted: Any) -> None:
    with pytest.raises(e.WrongModelError):
        load(folder, model=wanted)
    assert load(folder, model={"name": "tiny", "layers": 2})


def test_a_wrong_target_is_refused(folder: Path) -> None:
    with pytest.raises(e.WrongTargetError, match="phoenix"):
        load(folder, target="phoenix")


def flips(data: bytes) -> Iterator[bytes]:
    """One bit flipped in each byte."""
    for i, byte in enumerate(data):
        yield data[:i] + bytes([byte ^ 1 << (i % 8)]) + data[i + 1 :]


def test_a_flipped_bit_in_any_byte_of_a_folder_is_refused(folder: Path) -> None:
    for path in [folder / "manifest.json", folder / "kernels/a.spv"]:
        intact = path.read_bytes()
        for flipped in flips(intact):
            path.write_bytes(flipped)
            with pytest.raises(e.BundleError):
                load(folder)
        path.write_bytes(intact)
    assert load(folder) == sample()


def test_a_flipped_bit_in_any_byte_of_a_file_or_a_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.kcb"
    write(path, sample("a"))
    intact = path.read_bytes()
    for flipped in flips(intact):
        path.write_bytes(flipped)
        with pytest.raises(e.BundleError):
            load(path)
    for size in range(0, len(intact), 7):
        path.write_bytes(intact[:size])
        with pytest.raises(e.BundleError):
            load(path)
    path.write_bytes(intact + b"\0")
    with pytest.raises(e.AlteredFileError):
        load(path)


def test_a_file_with_something_missing_or_extra_is_refused(tmp_path: Path) -> None:
    bundle = sample("a")
    manifest = {"manifest.json": encode(bundle.manifest)}
    path = tmp_path / "x.kcb"
    for files, error in (
        (manifest, e.MissingFileError),
        ({**manifest, **bundle.contents, "more": b""}, e.ExtraFileError),
        (dict(bundle.contents), e.NotABundleError),
        ({**manifest, "kernels/a.spv": CODE[:5]}, e.TruncatedFileError),
    ):
        path.write_bytes(pack(files))
        with pytest.raises(error):
            load(path)


def test_a_compressed_file_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = tmp_path / "x.kcb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("manifest.json", b"0" * 1_000_000)
    with pytest.raises(e.AlteredFileError, match="compressed"):
        load(path)


def test_two_files_of_one_name_inside_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.kcb"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("manifest.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            z.writestr("manifest.json", b"{}")
    with pytest.raises(e.DuplicateError):
        load(path)
