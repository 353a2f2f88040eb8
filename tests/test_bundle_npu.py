"""NPU kernels in a bundle: what is written comes back, and what no build writes is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelrt import errors as e
from kernelrt.bundle import load, write
from tests.fixtures.bundles import CODE, npu_entry, rewrite, sample


@pytest.mark.parametrize("name", ["bundle", "bundle.kcb"])
def test_npu_kernels_come_back_with_their_files(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    bundle = sample("a", npu=(npu_entry("n", compiled=True), npu_entry("m", compiled=False)))
    assert write(place, bundle)
    loaded = load(place)
    assert loaded == bundle
    compiled, validated = loaded.npu_kernels
    assert loaded.read(compiled, "xclbin") == loaded.read(validated, "mlir") == CODE
    assert compiled.arguments[1].nbytes == 512
    with pytest.raises(KeyError):
        loaded.read(validated, "xclbin")


def _npu(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["npu_kernels"][0].update({key: value})


_ARGUMENT = {"name": "x", "dtype": "bf16", "shape": [4], "access": "r"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda f: f.pop("npu_kernels"), e.ManifestError),
        (lambda f: f.update(npu_kernels={}), e.ManifestError),
        (_npu("workgroup", 64), e.ManifestError),
        (_npu("evidence", "simulated"), e.ManifestError),
        (_npu("evidence", "validated"), e.ManifestError),  # and yet with an xclbin
        (lambda f: f["npu_kernels"][0]["files"].pop("insts.main"), e.ManifestError),
        (lambda f: f["npu_kernels"][0]["files"].pop("mlir"), e.ManifestError),
        (_npu("sequences", []), e.ManifestError),
        (_npu("sequences", ["main", "main"]), e.ManifestError),
        (_npu("sequences", ["main", "other"]), e.ManifestError),  # whose instructions are not there
        (_npu("sequences", ["../main"]), e.ManifestError),
        (_npu("work", {"macs": 1, "moved": 1}), e.ManifestError),
        (_npu("arguments", [{**_ARGUMENT, "dtype": "f16x4"}]), e.ManifestError),
        (_npu("arguments", [{**_ARGUMENT, "shape": ["rows"]}]), e.ManifestError),
        (_npu("arguments", [{**_ARGUMENT, "shape": [0]}]), e.ManifestError),
        (_npu("arguments", [{**_ARGUMENT, "access": "x"}]), e.ManifestError),
        (_npu("name", "a"), e.DuplicateError),  # a GPU kernel has that name
        (lambda f: f["npu_kernels"][0]["files"]["mlir"].update(path="kernels/a.spv"), e.DuplicateError),
        (lambda f: f["npu_kernels"][0]["files"]["mlir"].update(path="../n.mlir"), e.OutsidePathError),
        (lambda f: f["npu_kernels"][0]["files"]["mlir"].update(path="npu/elsewhere.mlir"), e.MissingFileError),
    ],
)
def test_a_wrong_npu_kernel_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], error: type[e.BundleError]
) -> None:
    write(tmp_path / "bundle", sample("a", npu=(npu_entry("n", compiled=True),)))
    rewrite(tmp_path / "bundle", change)
    with pytest.raises(error) as caught:
        load(tmp_path / "bundle")
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_a_bundle_is_replaced_and_a_strangers_file_in_its_folder_is_not(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    write(place, sample("a", npu=(npu_entry("n", compiled=True),)))
    assert write(place, sample("a", npu=(npu_entry("m", compiled=False),)))
    assert [path.name for path in (place / "npu").iterdir()] == ["m.mlir"]
    (place / "npu" / "notes.txt").write_text("mine")
    with pytest.raises(e.BundleWriteError, match=r"notes\.txt: belongs to no bundle"):
        write(place, sample("a"))
    assert (place / "npu" / "notes.txt").read_text() == "mine"
