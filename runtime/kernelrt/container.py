"""The two shapes of a bundle, a folder or one `.kcb` file, as a mapping of paths to bytes.

NOTES: a `.kcb` file is a zip that any unzip reads: stored, in sorted order, the manifest first, one fixed date. That
spelling is the only one that is accepted, so that a flipped bit anywhere in it is seen, and nothing is ever inflated.
"""

import errno
import io
import os
import stat
import struct
import zipfile
from collections.abc import Mapping

from kernelrt.errors import (
    AlteredFileError,
    BundleError,
    DuplicateError,
    ExtraFileError,
    MissingFileError,
    NotABundleError,
    OutsidePathError,
)
from kernelrt.manifest import MANIFEST, MAX_MANIFEST, Manifest

SUFFIX = ".kcb"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that zip can say


def pack(files: Mapping[str, bytes]) -> bytes:
    """The bytes of the `.kcb` file with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as z:
        for path in sorted(files, key=lambda p: (p != MANIFEST, p)):
            info = zipfile.ZipInfo(path, _EPOCH)
            info.create_system = 3  # Unix: zipfile would write the system it runs on
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            z.writestr(info, files[path])
    return buffer.getvalue()


def unpack(data: bytes, where: str) -> dict[str, bytes]:
    """The files of a `.kcb` file. Every departure from what `pack` writes is refused with a BundleError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            names = z.namelist()
            if len(set(names)) != len(names):
                raise DuplicateError(f"{where}: two files of one name inside; build the bundle again")
            for info in z.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                    raise AlteredFileError(f"{where}: {info.filename!r} is compressed, which no build does")
            if MANIFEST not in names:
                raise NotABundleError(f"{where}: no {MANIFEST} inside; build the bundle again")
            files = {name: z.read(name) for name in names}
    except (zipfile.BadZipFile, struct.error, ValueError, EOFError, NotImplementedError, OSError) as e:
        raise AlteredFileError(f"{where}: damaged or truncated ({e}); build the bundle again") from None
    return files


def check_packed(data: bytes, files: Mapping[str, bytes], where: str) -> None:
    """AlteredFileError where `data` is not exactly what `pack` writes for these files."""
    if pack(files) != data:
        raise AlteredFileError(f"{where}: altered between its files; build the bundle again")


def read_manifest(folder: int, where: str) -> bytes:
    """The manifest of the folder open as `folder`, read up to the greatest size and one byte more."""
    try:
        fd = os.open(MANIFEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        raise NotABundleError(f"{where}: no {MANIFEST} there; give the folder that `kernelc build` names") from None
    except OSError as e:
        raise _unreadable(f"{where}/{MANIFEST}", e) from None
    try:
        with open(fd, "rb") as f:
            return f.read(MAX_MANIFEST + 1)
    except OSError as e:
        raise NotABundleError(f"{where}/{MANIFEST}: {e.strerror}") from None


def read_folder(folder: int, manifest: Manifest, where: str) -> dict[str, bytes]:
    """The files that the manifest names, once the folder holds exactly those and no symbolic link."""
    expected = manifest.files()
    try:
        found = {path for path in _walk(folder, where) if path != MANIFEST}
    except FileNotFoundError as e:
        raise MissingFileError(f"{where}: {e.filename} vanished while it was read; build the bundle again") from None
    for path in sorted(expected.keys() - found):
        raise MissingFileError(f"{where}: {path} is missing; build the bundle again")
    for path in sorted(found - expected.keys()):
        raise ExtraFileError(f"{where}: {path} does not belong there; remove it or build the bundle again")
    files: dict[str, bytes] = {}
    for path, file in expected.items():
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            with open(fd, "rb") as f:
                files[path] = f.read(file.size + 1)
        except FileNotFoundError:
            raise MissingFileError(f"{where}: {path} is missing; build the bundle again") from None
        except OSError as e:
            raise _unreadable(f"{where}/{path}", e) from None
    return files


def _walk(folder: int, where: str) -> list[str]:
    paths: list[str] = []
    for root, folders, names, fd in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        for name in [*folders, *names]:
            path = os.path.normpath(os.path.join(root, name))
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                raise OutsidePathError(
                    f"{where}: {path} is a symbolic link, which may lead outside; do not use this bundle"
                )
            if stat.S_ISREG(mode):
                paths.append(path)
            elif not stat.S_ISDIR(mode):
                raise ExtraFileError(f"{where}: {path} is neither a file nor a folder; remove it")
    return paths


def _unreadable(path: str, e: OSError) -> BundleError:
    if e.errno == errno.ELOOP:  # O_NOFOLLOW met a symbolic link
        return OutsidePathError(f"{path}: a symbolic link, which may lead outside; do not use this bundle")
    return NotABundleError(f"{path}: cannot be read ({e.strerror})")
