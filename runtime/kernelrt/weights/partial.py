"""Large files and folders that are there whole or not at all, and whose unfinished copy does not outlive its writer.

NOTES: they are written under a name of their own beside their destination and renamed. The writer holds a flock on it,
which the kernel releases when the process dies: an unfinished one that can be locked belongs to no one and is removed.
"""

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kernelrt.atomic import sync_dir


@contextmanager
def partial_file(path: Path, durable: bool) -> Generator[BinaryIO, None, None]:
    """A file to write that becomes `path` at the end of the block, and is removed where the block raises.

    `durable`: its bytes are on the disk before it has its name. Raises OSError.
    """
    _sweep(path)
    fresh = _beside(path)
    try:
        with fresh.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            os.rename(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if durable:
        sync_dir(path.parent)


@contextmanager
def partial_folder(path: Path) -> Generator[Path, None, None]:
    """A folder to fill with files that becomes `path` at the end of the block, all of it on the disk, and is removed
    where the block raises. Raises OSError, also where something is at `path` by then.
    """
    _sweep(path)
    fresh = _beside(path)
    fresh.mkdir()
    fd = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fresh
        for file in fresh.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        os.fsync(fd)
        os.rename(fresh, path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    finally:
        os.close(fd)
    sync_dir(path.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part-{uuid.uuid4().hex}")


def _sweep(path: Path) -> None:
    """Removes what dead writers of `path` left."""
    ours = re.compile(re.escape(f".{path.name}.part-") + "[0-9a-f]{32}")
    for left in path.parent.iterdir():
        if not ours.fullmatch(left.name):
            continue
        fd = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # its writer lives
        finally:
            os.close(fd)
