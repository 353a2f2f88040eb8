"""The two shapes of a bundle, a folder or one `.kcb` file, as a mapping of paths to bytes.

NOTES: a `.kcb` file is a zip that any unzip reads: stored, in sorted order, the manifest first, one fixed date. That
spelling is the only one that is accepted, so that a flipped bit anywhere in it is seen, and nothing is ever inflated.
"""

import errno
import io
import os
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import NoReturn

from kernelrt.errors import (
    AlteredFileError,
    BundleError,
    BundleWriteError,
    DuplicateError,
    ExtraFileError,
    MissingFileError,
    NotABundleError,
    OutsidePathError,
)
from kernelrt.manifest import MANIFEST, MAX_MANIFEST, Manifest

SUFFIX = ".kcb"
# The folders with all that kernelc writes beside the manifest, and how the names of files in them end.
_FOLDERS = {"kernels": (".spv",), "npu": (".mlir", ".xclbin", ".bin")}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that zip can say
_ZIP_MEMBER = struct.Struct("<4s14xI4xHH")  # a member's header: magic, size as stored, lengths of its name and extras


def is_file_name(path: PurePath) -> bool:
    """Whether a bundle of this name is one file (`.kcb`, in any case) rather than a folder."""
    return path.name.lower().endswith(SUFFIX)


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
    parents = {f"{parent}/" for path in expected for parent in PurePosixPath(path).parents}
    try:
        found = _walk(folder, where)
    except FileNotFoundError as e:
        raise MissingFileError(f"{where}: {e.filename} vanished while it was read; build the bundle again") from None
    except OSError as e:
        raise _unreadable(f"{where}/{e.filename}", e) from None
    for path in sorted(expected.keys() - found):
        raise MissingFileError(f"{where}: {path} is missing; build the bundle again")
    for path in sorted(found - expected.keys() - parents - {MANIFEST}):
        raise ExtraFileError(f"{where}: {path} does not belong there; remove it or build the bundle again")
    files: dict[str, bytes] = {}
    for path, file in expected.items():
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            with open(fd, "rb") as f:
                files[path] = f.read(file.size + 1)
        except FileNotFoundError:
            raise MissingFileError(f"{where}: {path} is missing; build the bundle again") from None
        except OSError as e:
            raise _unreadable(f"{where}/{path}", e) from None
    return files


def refuse_foreign(path: Path, as_file: bool) -> None:
    """A bundle replaces what is at its path: let that be nothing, an empty folder, or a bundle, however damaged.

    BundleWriteError where it is, or may be, anything else. OSError where it cannot be looked at.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if as_file:
        if stat.S_ISDIR(mode):
            _refuse(path, "a folder is in the way of the bundle file; move it or give another name")
        if not stat.S_ISREG(mode):
            _refuse(path, "is no regular file; give another name")
        if not _is_packed_manifest(_head(path)):
            _refuse(path, "a file that is no bundle is in the way; move it or give another name")
        return
    if not stat.S_ISDIR(mode):
        _refuse(path, "what is in the way of the bundle folder is none; move it or give another name")
    names = set(os.listdir(path))
    if names - {MANIFEST, *_FOLDERS}:
        _refuse(path, "holds other things than a bundle; move them or give another folder")
    if names and not (MANIFEST in names and _is_regular(path / MANIFEST) and _is_manifest(_head(path / MANIFEST))):
        _refuse(path, f"holds no {MANIFEST} of a bundle; move what is there or give another folder")
    for folder in (path / name for name in _FOLDERS if name in names):
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            _refuse(folder, "is no folder; move it or give another folder for the bundle")
        for entry in sorted(folder.iterdir()):
            if entry.suffix not in _FOLDERS[folder.name] or not _is_regular(entry):
                _refuse(entry, "belongs to no bundle; move it or give another folder for the bundle")


def _refuse(path: Path, why: str) -> NoReturn:
    raise BundleWriteError(f"{path}: {why}")


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)


def _head(path: Path) -> bytes:
    """As much of a regular file as a manifest can take."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as f:
        return f.read(_ZIP_MEMBER.size + len(MANIFEST) + MAX_MANIFEST)


def _is_manifest(data: bytes) -> bool:
    """Whether these bytes are a manifest of ours, by the lines that one of any version has; the rest may be damaged."""
    lines = (rb'\A{\n"abi":\d+,$', rb'^"digest":"[0-9a-f]{64}",$', rb'^"schema":\d+,$')
    return all(re.search(line, data, re.MULTILINE) for line in lines)


def _is_packed_manifest(data: bytes) -> bool:
    """Whether this is the beginning of a zip whose first member is a manifest of ours."""
    if len(data) < _ZIP_MEMBER.size:
        return False
    magic, size, name, extra = _ZIP_MEMBER.unpack_from(data)
    body = data[_ZIP_MEMBER.size :]
    if magic != b"PK\3\4" or body[:name] != MANIFEST.encode():
        return False
    return _is_manifest(body[name + extra :][:size])


def _walk(folder: int, where: str) -> set[str]:
    """Every file's path, and every folder's with a slash behind it."""

    def fail(e: OSError) -> NoReturn:
        raise e  # else a folder that cannot be read would look empty

    paths: set[str] = set()
    for root, folders, names, fd in os.fwalk(".", onerror=fail, dir_fd=folder, follow_symlinks=False):
        for name in [*folders, *names]:
            path = os.path.normpath(os.path.join(root, name))
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                raise OutsidePathError(
                    f"{where}: {path} is a symbolic link, which may lead outside; do not use this bundle"
                )
            if stat.S_ISREG(mode):
                paths.add(path)
            elif stat.S_ISDIR(mode):
                paths.add(path + "/")
            else:
                raise ExtraFileError(f"{where}: {path} is neither a file nor a folder; remove it")
    return paths


def _unreadable(path: str, e: OSError) -> BundleError:
    if e.errno == errno.ELOOP:  # O_NOFOLLOW met a symbolic link
        return OutsidePathError(f"{path}: a symbolic link, which may lead outside; do not use this bundle")
    return NotABundleError(f"{path}: cannot be read ({e.strerror})")
