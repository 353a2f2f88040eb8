"""Spec files: how a built-in or a TOML file is found and read, and how a wrong field is named."""

import math
import sys
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from kernelc.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INT32_MAX = 2**31 - 1  # shapes become 32-bit constants in the shaders


class FieldError(InputError):
    """A field of a spec has an impossible value. Who knows the file puts its name in front (`located`)."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def located(self, where: Path, source_field: str | None = None) -> InputError:
        """The same error for the user; `source_field` is what the file calls the field."""
        return InputError(f"{where}: {source_field or self.field}: {self.problem}")


def kind_of(value: object) -> str:
    """The type of a value in the words of JSON and TOML."""
    return {"bool": "a boolean", "int": "an integer", "float": "a number", "str": "a string", "NoneType": "null"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )


def integer(field: str, value: object, *, low: int = 1, high: int = INT32_MAX, multiple: int = 1) -> int:
    """`value` as an integer in [low, high] and a multiple of `multiple`. Raises FieldError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldError(field, f"expected an integer, found {kind_of(value)} ({value!r})")
    if not low <= value <= high:
        raise FieldError(field, f"must be {f'at least {low}' if value < low else f'at most {high}'}, is {value}")
    if value % multiple:
        raise FieldError(field, f"must be a multiple of {multiple}, is {value}")
    return value


def number(field: str, value: object, *, zero: bool = False) -> float:
    """`value` as a finite positive number (or zero, where that is allowed). Raises FieldError."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FieldError(field, f"expected a number, found {kind_of(value)} ({value!r})")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise FieldError(field, f"must be {'zero or more' if zero else 'positive'} and finite, is {value}")
    return float(value)


def text(field: str, value: object, choices: Iterable[str] = ()) -> str:
    """`value` as a non-empty string, one of `choices` if there are any. Raises FieldError."""
    if not isinstance(value, str):
        raise FieldError(field, f"expected a string, found {kind_of(value)} ({value!r})")
    if not value:
        raise FieldError(field, "must not be empty")
    known = sorted(choices)
    if known and value not in known:
        raise FieldError(field, f"unknown value {value!r}{_close(value, known)} (known: {', '.join(known)})")
    return value


def _close(word: str, known: Iterable[str]) -> str:
    import difflib  # only an error needs it, and every start would pay for it

    close = difflib.get_close_matches(word, list(known), n=2)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def read_bytes(path: Path) -> bytes:
    """The file's content; a missing or unreadable one is the user's error."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_toml(path: Path) -> dict[str, object]:
    """The file's top-level table. Raises InputError for an unreadable file, wrong UTF-8 or wrong TOML."""
    try:
        return tomllib.loads(read_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid TOML: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None


def check_keys(cls: type[Any], table: dict[str, object], where: Path) -> None:
    """Refuses a key that `cls` has no field for (a typing slip would go unseen) and a field that is missing."""
    known = {f.name: f for f in fields(cls)}
    for key in table:
        if key not in known:
            raise InputError(f"{where}: {key}: unknown key{_close(key, known)}")
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{where}: {name}: missing")


def builtin(kind: str, folder: Path, name_or_path: str, suffixes: tuple[str, ...]) -> Path:
    """The file that `name_or_path` means: a built-in of `folder` by its name, else a path.

    A path is whatever has a separator or one of `suffixes`, or exists. Raises InputError for the rest.
    """
    names = sorted(path.stem for path in folder.glob("*.toml"))
    if name_or_path in names:
        return folder / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if name_or_path and (path.suffix.lower() in suffixes or path.parent != Path() or path.exists()):
        return path
    raise InputError(
        f"unknown {kind} {name_or_path!r}{_close(name_or_path, names)} "
        f"(built in: {', '.join(names)}; or a path to a {', '.join('*' + s for s in suffixes)} file)"
    )
