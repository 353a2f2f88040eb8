"""Spec files: how a built-in or a TOML file is found and read, and how a wrong field is named."""

import math
import os
import re
import stat
import sys
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, BinaryIO

from kernelrt.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INT32_MAX = 2**31 - 1  # shapes become 32-bit constants in the shaders
MAX_BYTES = 16 << 20  # of a TOML or JSON file; a spec has a few hundred
# A name becomes a folder's, and ".kcb" is how a bundle of one file is told from a folder.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHOWN = 80  # characters of a wrong value that an error repeats
_DIGITS = re.compile(r"[0-9_]{4000,}")  # Python refuses decimal integers of more than 4300 digits


class FieldError(InputError):
    """A field of a spec has an impossible value. Who knows the file puts its name in front (`located`)."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def located(self, where: Path, source_field: str | None = None) -> InputError:
        """The same error for the user; `source_field` is what the file calls the field."""
        return InputError(f"{where}: {source_field or self.field}: {self.problem}")


def shown(value: object) -> str:
    """A wrong value for an error's line, cut to a readable length."""
    try:
        words = repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or an integer of more digits than Python writes
        return f"{kind_of(value)} too long to show"
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"


def kind_of(value: object) -> str:
    """The type of a value in the words of JSON and TOML."""
    return {"bool": "a boolean", "int": "an integer", "float": "a number", "str": "a string", "NoneType": "null"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )


def integer(field: str, value: object, *, low: int = 1, high: int = INT32_MAX, multiple: int = 1) -> int:
    """`value` as an integer in [low, high] and a multiple of `multiple`. Raises FieldError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldError(field, f"expected an integer, found {kind_of(value)} ({shown(value)})")
    if not low <= value <= high:
        raise FieldError(field, f"must be {f'at least {low}' if value < low else f'at most {high}'}, is {shown(value)}")
    if value % multiple:
        raise FieldError(field, f"must be a multiple of {multiple}, is {value}")
    return value


def number(field: str, value: object, *, zero: bool = False) -> float:
    """`value` as a finite positive number (or zero, where that is allowed). Raises FieldError."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FieldError(field, f"expected a number, found {kind_of(value)} ({shown(value)})")
    try:
        found = float(value)
    except OverflowError:  # an integer beyond the range of floats
        found = math.inf
    if not math.isfinite(found) or found < 0 or (found == 0 and not zero):
        raise FieldError(field, f"must be {'zero or more' if zero else 'positive'} and finite, is {shown(value)}")
    return found


def text(field: str, value: object, choices: Iterable[str] = ()) -> str:
    """`value` as a non-empty string, one of `choices` if there are any. Raises FieldError."""
    if not isinstance(value, str):
        raise FieldError(field, f"expected a string, found {kind_of(value)} ({shown(value)})")
    if not value:
        raise FieldError(field, "must not be empty")
    known = sorted(choices)
    if known and value not in known:
        raise FieldError(field, f"unknown value {shown(value)}{close(value, known)} (known: {', '.join(known)})")
    return value


def flag(field: str, value: object) -> bool:
    """Checks for true or false."""
    if not isinstance(value, bool):
        raise FieldError(field, f"expected true or false, found {shown(value)}")
    return value


def name(field: str, value: object) -> str:
    """`value` as a name that can be a file's (NAME). Raises FieldError."""
    found = text(field, value)
    if not NAME.fullmatch(found) or found.lower().endswith(".kcb"):
        rule = "must be 1 to 64 of A-Z a-z 0-9 . _ -, begin with a letter or digit and not end in .kcb"
        raise FieldError(field, f"{rule}, is {shown(found)}")
    return found


def close(word: str, known: Iterable[str]) -> str:
    """The hint at what was probably meant; empty where nothing is near."""
    import difflib  # only an error needs it, and every start would pay for it

    near = difflib.get_close_matches(word[:_SHOWN], list(known), n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def printable(key: str) -> str:
    """A key as it is, or quoted and cut where it would not fit into an error's line."""
    return key if key.isprintable() and len(key) <= _SHOWN else shown(key)


def is_folder(path: Path) -> bool:
    """Whether a folder is there. Raises InputError where that cannot be told."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, error) from None


def open_file(path: Path) -> BinaryIO:
    """The regular file at `path`, for reading: a FIFO or a device might never end. Raises InputError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: not a regular file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of at most MAX_BYTES. Raises InputError."""
    with open_file(path) as file:
        try:
            content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise _unreadable(path, error) from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no spec is")
    return content


def _unreadable(path: Path, error: OSError | ValueError) -> InputError:
    return InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")


def read_toml(path: Path) -> dict[str, object]:
    """The file's top-level table. Raises InputError for an unreadable file, wrong UTF-8 or wrong TOML."""
    content = ""
    try:
        content = read_bytes(path).decode("utf-8")
        return tomllib.loads(content)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid TOML: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {printable(str(error))}") from None
    except RecursionError:
        raise InputError(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError as error:
        found = _DIGITS.search(content)
        if found is None:
            raise InputError(f"{path}: not valid TOML: {printable(str(error))}") from None
        begin = content.rfind("\n", 0, found.start()) + 1
        key = content[begin : found.start()].partition("=")[0].strip()
        line = content.count("\n", 0, begin) + 1
        raise InputError(f"{path}: {printable(key)}: an integer of too many digits (line {line})") from None


def check_keys(cls: type[Any], table: dict[str, object], where: Path) -> None:
    """Refuses a key that `cls` has no field for (a typing slip would go unseen) and a field that is missing."""
    known = {f.name: f for f in fields(cls)}
    for key in table:
        if key not in known:
            raise InputError(f"{where}: {printable(key)}: unknown key{close(key, known)}")
    for key, field in known.items():
        if key not in table and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{where}: {key}: missing")


def builtin(kind: str, folder: Path, name_or_path: str, suffixes: tuple[str, ...]) -> Path:
    """The file that `name_or_path` means: a built-in of `folder` by its name, else a path.

    A path is whatever has a separator or one of `suffixes`, or exists. Raises InputError for the rest.
    """
    path = Path(name_or_path)
    if path.suffix.lower() in suffixes or path.parent != Path():
        return path
    names = sorted(path.stem for path in folder.glob("*.toml"))
    if name_or_path in names:
        return folder / f"{name_or_path}.toml"
    if name_or_path and os.path.lexists(path):
        return path
    raise InputError(
        f"unknown {kind} {shown(name_or_path)}{close(name_or_path, names)} "
        f"(built in: {', '.join(names)}; or a path to a {', '.join('*' + s for s in suffixes)} file)"
    )
