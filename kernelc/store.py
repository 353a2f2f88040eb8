"""The store of compiled kernels: an entry is the set of files that one action (kernelc/action.py) gave, under its key.

    <root>/kernelc-store               marks the folder as a store (kernelc/folder.py)
    <root>/entries/<3 digits>/<key>/   the files, and entry.json about them (kernelc/entry.py)
    <root>/history/                    the key parts of the last build of each kernel (kernelc/history.py)
    <root>/tools/                      the tools' hashes (kernelc/toolchain/identity.py)
    <root>/tmp/  <root>/quarantine/    what is being written; what failed its check

NOTES: an entry is written into tmp/, fsynced and renamed whole, so a reader sees all of it or nothing, and checks every
byte of it. Locks are flocks on the folders themselves: the kernel drops them when a process dies and no lock file is
left. A build holds the root shared and `gc` holds it alone, so that whatever `gc` finds in tmp/ belongs to the dead;
the entry's prefix folder is held while an entry is compiled, so that many builds compile it once. A reader needs no
lock and no right to write.
"""

import os
import shutil
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from kernelc.disk import advice
from kernelc.entry import ENTRY, DamagedEntryError, check, describe
from kernelc.errors import StoreError
from kernelc.folder import ASIDE, KEY, PREFIX, REPLACING, TEMPORARY, default_root, is_store, make_store, own, strays
from kernelrt.atomic import locked, sync_dir, write_tree

_PREFIX = 3  # digits of the key in the folder that is locked: 4096 stripes
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Stats:
    """Entries and their bytes; folders in quarantine; folders in tmp/ (of running builds or of dead ones); `strays`:
    what is among the entries, in quarantine or in tmp/ and not of kernelc."""

    entries: int
    bytes: int
    quarantined: int
    temporary: int
    strays: tuple[str, ...]


class BusyError(StoreError):
    """Another process holds a lock that was not to be waited for."""


def existing(root: Path | None) -> "Store":
    """The store at `root`, or the default one, for what makes none where there is none. StoreError."""
    return Store(root or default_root(), create=False)


class Store:
    """A store on disk. Everything that the disk refuses is a StoreError with one line.

    Where none is at `root` it is made; with `create=False` it is left so, and is an empty store. A folder that has
    files and is no store is refused.
    """

    def __init__(self, root: Path, create: bool = True) -> None:
        self.root = root
        self._entries, self.tmp, self._quarantine = root / "entries", root / "tmp", root / "quarantine"
        with self.guarded():
            self.exists = is_store(root)
            if not self.exists and not create:
                return
            if not self.exists:
                make_store(root)
                self.exists = True
            for folder in (self._entries, self.tmp, self._quarantine, self.history, self.tools):
                if not folder.is_dir():
                    folder.mkdir(parents=True, exist_ok=True)

    @property
    def history(self) -> Path:
        return self.root / "history"

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    @property
    def writable(self) -> bool:
        """False on a read-only mount or without the right to write: such a store still gives what it has."""
        return os.access(self.tmp, os.W_OK | os.X_OK) and os.access(self._entries, os.W_OK | os.X_OK)

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Turns the disk's refusals into a StoreError."""
        try:
            yield
        except OSError as e:
            raise StoreError(f"store {self.root}: {advice(e)}") from e

    @contextmanager
    def _held(self, folder: Path, shared: bool = False, wait: bool = True) -> Generator[None]:
        """Holds the lock of a folder. BusyError when not to wait and another holds it."""
        with ExitStack() as stack:
            with self.guarded():
                try:
                    stack.enter_context(locked(folder, shared, wait))
                except BlockingIOError:
                    busy = f"store {self.root}: a build is using it; run this again when it is done"
                    raise BusyError(busy) from None
            yield

    @contextmanager
    def _root_held(self, shared: bool, wait: bool = True) -> Generator[None]:
        with self._held(self.root, shared, wait) if self.exists else nullcontext():
            yield

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Held by a build, with others. When it is the only one, it first removes what dead builds left in tmp/."""
        if self.writable:
            # Another build may be at work: what is in tmp/ may be its own.
            with suppress(BusyError), self.alone(), self.guarded():
                self._sweep()
        with self._root_held(shared=True):
            yield

    @contextmanager
    def alone(self) -> Generator[None]:
        """Held by `gc`. BusyError while a build uses the store."""
        with self._root_held(shared=False, wait=False):
            yield

    @contextmanager
    def claim(self, key: str) -> Generator[None]:
        """Holds the right to write the entry `key`; waits for another build that is compiling it."""
        prefix = self._path(key).parent
        with self.guarded():
            if not prefix.is_dir():
                prefix.mkdir(exist_ok=True)
                sync_dir(self._entries)
        with self._held(prefix):
            yield

    def get(self, key: str) -> dict[str, bytes] | None:
        """The files of an entry, each verified; None where there is none. DamagedEntryError where one fails."""
        folder = self._path(key)
        try:
            names = set(os.listdir(folder))
        except FileNotFoundError:
            return None
        except OSError as e:
            raise StoreError(f"store {self.root}: {advice(e)}") from e
        with self.guarded():
            try:
                files = {name: (folder / name).read_bytes() for name in names}
            except (FileNotFoundError, IsADirectoryError) as e:
                raise DamagedEntryError(f"{e.filename}: {e.strerror}") from None
        check(key, files)
        if self.writable:
            self._touch(folder)
        return {name: data for name, data in files.items() if name != ENTRY}

    def put(self, key: str, files: Mapping[str, bytes]) -> None:
        """Stores an entry, whole. The caller holds `claim(key)` and has seen that there is none."""
        fresh = self.tmp / uuid.uuid4().hex
        with self.guarded():
            try:
                write_tree(fresh, {**files, ENTRY: describe(key, files)})
                os.rename(fresh, self._path(key))
                sync_dir(self._path(key).parent)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def quarantine(self, key: str) -> Path:
        """Moves a damaged entry aside, for a human to look at, until `gc`. The caller holds `claim(key)`."""
        aside = self._quarantine / f"{key}-{uuid.uuid4().hex[:8]}"
        with self.guarded():
            os.rename(self._path(key), aside)
        return aside

    def keys(self) -> list[str]:
        """Every key, sorted."""
        if not self.exists:
            return []
        with self.guarded():
            return [p.name for prefix in self._prefixes() for p in own(prefix, KEY) if p.is_dir()]

    def stats(self) -> Stats:
        if not self.exists:
            return Stats(0, 0, 0, 0, ())
        keys = self.keys()
        with self.guarded():
            size = sum(p.stat().st_size for key in keys for p in self._path(key).iterdir())
            among = [(self._entries, PREFIX), *((prefix, KEY) for prefix in self._prefixes())]
            others = strays([*among, (self._quarantine, ASIDE), (self.tmp, TEMPORARY)])
            quarantined, temporary = own(self._quarantine, ASIDE), own(self.tmp, TEMPORARY)
            return Stats(len(keys), size, len(quarantined), len(temporary), tuple(map(str, others)))

    def verify(self) -> tuple[int, dict[str, str]]:
        """Checks every entry: (how many there were, key -> reason of those that failed and are now in quarantine)."""
        keys, damaged = self.keys(), dict[str, str]()
        for key in keys:
            with self.claim(key):
                try:
                    self.get(key)
                except DamagedEntryError as e:
                    self.quarantine(key)
                    damaged[key] = str(e)
        return len(keys), damaged

    def gc(self, days: float) -> tuple[int, int]:
        """Removes temporary folders, the quarantine, and entries not used for `days`: (entries, bytes) removed."""
        if not self.exists:
            return 0, 0
        before = self.stats()
        with self.alone(), self.guarded():
            self._sweep()
            for aside in own(self._quarantine, ASIDE):
                _remove(aside)
            for key in self.keys():
                folder = self._path(key)
                if time.time() - folder.stat().st_mtime >= days * _DAY:
                    doomed = self.tmp / uuid.uuid4().hex
                    os.rename(folder, doomed)  # whole out of sight first: a crash leaves no half entry
                    shutil.rmtree(doomed)
        after = self.stats()
        return before.entries - after.entries, before.bytes - after.bytes

    def _path(self, key: str) -> Path:
        return self._entries / key[:_PREFIX] / key

    def _prefixes(self) -> list[Path]:
        return [path for path in own(self._entries, PREFIX) if path.is_dir()]

    def _sweep(self) -> None:
        for left in own(self.tmp, TEMPORARY):
            _remove(left)
        for folder in (self.history, self.tools):
            for left in own(folder, REPLACING):
                left.unlink()

    def _touch(self, folder: Path) -> None:
        # The folder's time is the day of its last use, for `gc`; it goes into no artifact.
        with self.guarded():
            if time.time() - folder.stat().st_mtime > _DAY:
                os.utime(folder)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
