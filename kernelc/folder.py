"""Which folder is a store of kernelc, and which names in it are its own: it removes nothing else."""

import os
import re
import shutil
import uuid
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from kernelc.errors import StoreError

MARKER = "kernelc-store"
_LAYOUT = b"kernelc store, layout 1\n"

PREFIX = re.compile(r"[0-9a-f]{3}")
KEY = re.compile(r"[0-9a-f]{64}")
TEMPORARY = re.compile(r"[0-9a-f]{32}")
ASIDE = re.compile(r"[0-9a-f]{64}-[0-9a-f]{8}")
REPLACING = re.compile(r"\..+\.json\.(new|old)-[0-9a-f]{32}")  # kernelrt/atomic.py


def default_root() -> Path:
    """$KERNELC_STORE, else kernelc in $XDG_CACHE_HOME, else ~/.cache/kernelc. StoreError where there is no ~."""
    if named := os.environ.get("KERNELC_STORE"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    if cache:
        return Path(cache) / "kernelc"
    try:
        return Path.home() / ".cache" / "kernelc"
    except RuntimeError:
        raise StoreError("this user has no home folder; set KERNELC_STORE, or name a store with --store") from None


def is_store(root: Path) -> bool:
    """Whether a store is at `root`; False where nothing is, or an empty folder.

    StoreError for a folder with files and without the marker, and for the marker of another layout. OSError.
    """
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return False
    if not names:
        return False
    try:  # after the listing: whoever makes a store writes the marker first
        marker = (root / MARKER).read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{root}: has files and is not a store of kernelc; name another with --store") from None
    if marker not in (_LAYOUT, b""):  # empty: its writer died, or the disk was full
        raise StoreError(f"{root / MARKER}: not of this version of kernelc; name another store with --store")
    return marker == _LAYOUT


def make_store(root: Path) -> None:
    """Marks `root`, of which `is_store` said False. Many may do so at once. OSError."""
    root.mkdir(parents=True, exist_ok=True)
    fd = os.open(root / MARKER, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(fd, _LAYOUT)  # never truncated first: all write the same bytes
    finally:
        os.close(fd)


def own(folder: Path, shape: re.Pattern[str]) -> list[Path]:
    """What is in a folder and has a name of that shape, sorted. OSError."""
    return sorted(path for path in folder.iterdir() if shape.fullmatch(path.name))


def strays(folders: Iterable[tuple[Path, re.Pattern[str]]]) -> list[Path]:
    """What is in these folders and is no folder with a name of that shape, sorted. OSError."""
    return sorted(
        path
        for folder, shape in folders
        for path in folder.iterdir()
        if not (shape.fullmatch(path.name) and path.is_dir())
    )


@contextmanager
def scratch(tmp: Path) -> Generator[Path]:
    """An empty folder in a store's tmp/, for what a compiler leaves, removed at the end (a dead build's is swept).

    StoreError where it cannot be made.
    """
    folder = tmp / uuid.uuid4().hex
    try:
        folder.mkdir()
    except OSError as e:
        raise StoreError(f"{folder} cannot be made: {e.strerror}") from e
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
