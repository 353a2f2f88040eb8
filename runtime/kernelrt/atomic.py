"""Folders and files that are there whole or not at all, whatever instant the process dies at.

NOTES: everything is written beside its destination under a name of its own, fsynced, and renamed. Writers of one parent
folder take turns by an flock on that folder (released by the kernel when a process dies, and no lock file stays
behind), so a leftover name seen under the lock belongs to a dead process and can be removed.
"""

import ctypes
import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def locked(folder: Path, shared: bool = False, wait: bool = True) -> Generator[None]:
    """Holds the flock of `folder` (BlockingIOError when not to wait and another holds it)."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(fd)


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet, and its bytes to the disk. An OSError names the file."""
    try:
        with path.open("xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
    except OSError as e:
        e.filename = e.filename or str(path)  # Python names it when opening fails, not when writing does
        raise


def sync_dir(folder: Path) -> None:
    """The names in a folder to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Fills a new folder with files (paths inside it), all of it on the disk at return."""
    folder.mkdir(parents=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_new(folder / path, data)
    for sub, _, _ in os.walk(folder, topdown=False):
        sync_dir(Path(sub))


def replace_file(path: Path, data: bytes) -> None:
    """Puts a file in place, or replaces it, whole. OSError leaves what was there before."""
    with locked(path.parent):
        _sweep(path)
        fresh = _beside(path, "new")
        try:
            write_new(fresh, data)
            os.rename(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        sync_dir(path.parent)


def replace_tree(path: Path, files: Mapping[str, bytes]) -> None:
    """Puts a folder in place, or exchanges it for the one there, whole. OSError leaves what was there before."""
    with locked(path.parent):
        _restore(path)
        _sweep(path)
        fresh = _beside(path, "new")
        try:
            write_tree(fresh, files)
            if not path.exists():
                os.rename(fresh, path)
            elif not _exchange(fresh, path):
                # Between these two renames nothing is at `path`; `_restore` finds the old folder by its name.
                os.rename(path, _beside(path, "old"))
                os.rename(fresh, path)
            sync_dir(path.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _sweep(path)


def tidy(path: Path) -> None:
    """Removes what dead writers of `path` left beside it, and puts back a folder that one had set aside."""
    if (_leftovers(path, "new") or _leftovers(path, "old")) and os.access(path.parent, os.W_OK):
        with locked(path.parent):
            _restore(path)
            _sweep(path)


def _restore(path: Path) -> None:
    """A folder was set aside and not yet replaced (only where the file system cannot exchange names)."""
    if not path.exists():
        for old in _leftovers(path, "old"):
            os.rename(old, path)
            return


def _beside(path: Path, role: str) -> Path:
    return path.with_name(f".{path.name}.{role}-{uuid.uuid4().hex}")


def _leftovers(path: Path, role: str) -> list[Path]:
    ours = re.compile(re.escape(f".{path.name}.{role}-") + "[0-9a-f]{32}")
    return sorted(p for p in path.parent.iterdir() if ours.fullmatch(p.name))


def _sweep(path: Path) -> None:
    for role in ("new", "old"):
        for left in _leftovers(path, role):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()


def _exchange(a: Path, b: Path) -> bool:
    """Exchanges two names in one step; False where the C library, kernel or file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    result: int = libc.renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(b))
