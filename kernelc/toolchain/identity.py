"""What a tool is: a name, a version, and the hash of the files that decide what it makes."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelc.errors import StoreError, ToolError
from kernelrt.atomic import replace_file
from kernelrt.jsonio import JsonError, Node, seal, unseal


@dataclass(frozen=True, slots=True)
class Identity:
    """A tool, the same on every machine that has the same files: `sha256` covers their bytes and not their places."""

    name: str
    version: str
    sha256: str


class Memo:
    """Remembers hashes of big files by (size, mtime, inode), and answers that follow from a file's hash.

    With a path it is kept in that JSON file, sealed; what is not intact there is computed again. Not shared between
    threads.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._changed = False
        self._hashes: dict[str, str] = {}
        self._answers: dict[str, str] = {}
        if path is not None:
            self._hashes, self._answers = _read(path)

    def sha256(self, file: Path) -> str:
        """Hash of a file's bytes. Raises ToolError where it cannot be read."""
        try:
            real = file.resolve(strict=True)
            stat = real.stat()
            key = f"{real}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
            if key not in self._hashes:
                with real.open("rb") as opened:
                    self._hashes[key] = _digest(opened.read)
                self._changed = True
            return self._hashes[key]
        except OSError as error:
            raise ToolError(f"{file} cannot be read: {error.strerror}") from error

    def answer(self, question: str, find: Callable[[], str]) -> str:
        """`find()`, once for each `question`, which must hold the hash of what the answer depends on.

        What `find` raises is passed on and not remembered: a tool that fails may only lack a library.
        """
        if question not in self._answers:
            self._answers[question] = find()
            self._changed = True
        return self._answers[question]

    def save(self) -> None:
        """Writes what is new, whole or not at all. Raises StoreError where it cannot be written.

        A folder in its place is left alone: all that is lost is the time to find it out again.
        """
        if self._path is None or not self._changed:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, seal({"hashes": self._hashes, "answers": self._answers}))
        except IsADirectoryError:
            return
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from error
        self._changed = False


def identify(name: str, version: str, files: Sequence[Path], memo: Memo) -> Identity:
    """The identity of a tool that these files make up, in this order."""
    return Identity(name, version, hashlib.sha256("\n".join(memo.sha256(file) for file in files).encode()).hexdigest())


def _digest(read: Callable[[int], bytes]) -> str:
    digest = hashlib.sha256()
    while block := read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The two tables of a memo file; empty where it is missing or not, to the bit, what `save` writes."""
    try:
        tables = unseal(path.read_bytes(), str(path)).members("digest", "hashes", "answers")
        return _table(tables["hashes"]), _table(tables["answers"])
    except (OSError, JsonError):
        return {}, {}


def _table(node: Node) -> dict[str, str]:
    return {key: str(value) for key, value in node.scalars().items()}
