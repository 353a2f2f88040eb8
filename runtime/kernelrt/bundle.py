"""Bundles: written here, read here, nowhere else.

A bundle is `manifest.json` and the files it names, as a folder or as one `.kcb` file of the same content. Loading reads
and checks every byte; what a caller gets was verified, and stays so whatever happens to the disk afterwards.
"""

import hashlib
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kernelrt.abi import KernelEntry, NpuEntry
from kernelrt.atomic import locked, replace_file, replace_tree, tidy
from kernelrt.container import (
    check_packed,
    is_file_name,
    pack,
    read_folder,
    read_manifest,
    refuse_foreign,
    unpack,
)
from kernelrt.errors import (
    AlteredFileError,
    BundleError,
    BundleWriteError,
    ExtraFileError,
    MissingFileError,
    NotABundleError,
    TruncatedFileError,
    WrongModelError,
    WrongTargetError,
)
from kernelrt.jsonio import canonical
from kernelrt.manifest import MANIFEST, Manifest, decode, encode

_RETRIES = 8


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and the verified bytes of every file that it names."""

    manifest: Manifest
    contents: Mapping[str, bytes]

    @staticmethod
    def open(path: str | Path) -> "Bundle":
        """The bundle at `path`, wholly verified. Raises the class of BundleError that names the reason."""
        return load(Path(path))

    def npu_files(self) -> dict[str, dict[str, bytes]]:
        """The files of each NPU kernel by their roles."""
        return {
            kernel.name: {role: self.contents[file.path] for role, file in kernel.files.items()}
            for kernel in self.manifest.npu_kernels
        }

    @property
    def kernels(self) -> tuple[KernelEntry, ...]:
        return self.manifest.kernels

    def kernel(self, name: str) -> KernelEntry:
        """The kernel of that name (KeyError)."""
        for kernel in self.manifest.kernels:
            if kernel.name == name:
                return kernel
        raise KeyError(name)

    @property
    def npu_kernels(self) -> tuple[NpuEntry, ...]:
        return self.manifest.npu_kernels

    def read(self, kernel: KernelEntry | NpuEntry, role: str = "spirv") -> bytes:
        """The bytes of a kernel's file of that role (KeyError)."""
        return self.contents[kernel.files[role].path]


def load(
    path: Path,
    model: str | Mapping[str, object] | None = None,
    target: str | Mapping[str, object] | None = None,
) -> Bundle:
    """The bundle at `path`, wholly verified; `model` and `target`: a name, or every field, that it must be for.

    Raises the class of BundleError that names the reason.
    """
    try:
        is_file = path.is_file()
    except OSError as e:
        raise NotABundleError(f"{path}: cannot be read ({e.strerror})") from None
    bundle = _load_file(path) if is_file else _load_folder(path)
    for what, wanted, found, error in (
        ("model", model, bundle.manifest.model, WrongModelError),
        ("target", target, bundle.manifest.target, WrongTargetError),
    ):
        _match(str(path), what, wanted, found, error)
    return bundle


def write(path: Path, bundle: Bundle) -> bool:
    """Puts the bundle at `path`, whole or not at all: one file when that name ends in `.kcb`, else a folder.

    False when exactly that bundle was there already. BundleWriteError where it cannot be written, or where something is
    in the way that is no bundle; what was there before is then still there.
    """
    as_file = is_file_name(path)
    files = {MANIFEST: encode(bundle.manifest), **bundle.contents}
    with _guarded(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        tidy(path)
        _refuse_foreign(path, as_file)
        if _holds(path, files, as_file):
            return False
        decode(files[MANIFEST])  # what the loader would refuse is not written
        if as_file:
            replace_file(path, pack(files))
        else:
            replace_tree(path, files)
    return True


def check_place(path: Path) -> None:
    """BundleWriteError where `write` would refuse what is at `path` now. Changes nothing."""
    with _guarded(path):
        real = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):  # the folder that it is to be in is not there yet
            _refuse_foreign(real, is_file_name(path))


def _refuse_foreign(path: Path, as_file: bool) -> None:
    with locked(path.parent, shared=True):  # no other build exchanges what is there while it is looked at
        refuse_foreign(path, as_file)


@contextmanager
def _guarded(path: Path) -> Generator[None]:
    """Turns the disk's refusals into a BundleWriteError."""
    try:
        yield
    except OSError as e:
        at = f" ({e.filename})" if e.filename not in (None, str(path)) else ""
        option = "--bundle-file" if is_file_name(path) else "--out"
        raise BundleWriteError(
            f"{path}: the bundle cannot be written: {e.strerror}{at}; name another place with {option}"
        ) from e


def _holds(path: Path, files: Mapping[str, bytes], as_file: bool) -> bool:
    """Whether exactly this is there: the same file, or the same manifest and all that it names intact."""
    try:
        if as_file:
            return path.read_bytes() == pack(files)
        if (path / MANIFEST).read_bytes() != files[MANIFEST]:
            return False
        load(path)
    except (BundleError, FileNotFoundError):
        return False  # nothing there, or something damaged: both are to be replaced
    return True


def _load_file(path: Path) -> Bundle:
    where = str(path)
    try:
        data = path.read_bytes()
    except OSError as e:
        raise NotABundleError(f"{where}: cannot be read ({e.strerror})") from None
    files = unpack(data, where)
    manifest = decode(files[MANIFEST], f"{where}:{MANIFEST}")
    expected = manifest.files()
    for name in files:
        if name != MANIFEST and name not in expected:
            raise ExtraFileError(f"{where}: {name!r} does not belong there; build the bundle again")
    for name in expected:
        if name not in files:
            raise MissingFileError(f"{where}: {name} is missing; build the bundle again")
    contents = {name: files[name] for name in expected}
    _verify(manifest, contents, where)
    check_packed(data, files, where)
    return Bundle(manifest, contents)


def _load_folder(path: Path) -> Bundle:
    where = str(path)
    for attempt in range(_RETRIES):
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise NotABundleError(f"{where}: there is nothing; build it with `kernelc build --out {where}`") from None
        except NotADirectoryError:
            raise NotABundleError(f"{where}: neither a folder nor a file") from None
        except OSError as e:
            raise NotABundleError(f"{where}: cannot be read ({e.strerror})") from None
        try:
            manifest = decode(read_manifest(folder, where), f"{where}/{MANIFEST}")
            contents = read_folder(folder, manifest, where)
            _verify(manifest, contents, where)
            return Bundle(manifest, contents)
        except BundleError:
            # A build may have exchanged the folder under us: what we hold open is then the old one, half removed.
            if attempt == _RETRIES - 1 or not _exchanged(path, folder):
                raise
        finally:
            os.close(folder)
    raise AssertionError("unreachable")


def _exchanged(path: Path, folder: int) -> bool:
    held = os.fstat(folder)
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return True
    return (held.st_dev, held.st_ino) != (there.st_dev, there.st_ino)


def _verify(manifest: Manifest, contents: Mapping[str, bytes], where: str) -> None:
    for path, file in manifest.files().items():
        data = contents[path]
        if len(data) != file.size:
            raise TruncatedFileError(
                f"{where}: {path} has not the {file.size} bytes it should have; build the bundle again"
            )
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise AlteredFileError(f"{where}: {path} was altered since it was built; build the bundle again")


def _match(
    where: str,
    what: str,
    wanted: str | Mapping[str, object] | None,
    found: Mapping[str, object],
    error: type[BundleError],
) -> None:
    if wanted is None:
        return
    fields = {"name": wanted} if isinstance(wanted, str) else wanted
    for key, value in fields.items():
        if key not in found or canonical(found[key]) != canonical(value):
            raise error(f"{where}: built for {what} {found['name']!r} with {key} = {found.get(key)!r}, not {value!r}")
