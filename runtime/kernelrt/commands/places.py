"""Where a verb reads and writes: a bundle by path or name, and outputs that are looked at before the work."""

import os
import tempfile
from pathlib import Path

from kernelrt.container import is_file_name
from kernelrt.errors import FileError, InputError, NotABundleError

_BUNDLES = Path("build", "bundles")


def find_bundle(name: str) -> Path:
    """The bundle that `--bundle` means: a path where something is, or a name in build/bundles.

    InputError for an empty name; NotABundleError, with the places that were looked at, where there is nothing.
    """
    if not name:
        raise InputError("--bundle: the name is empty; give a bundle's folder or .kcb file, or its name")
    path = Path(name)
    plain = os.sep not in name and name not in (".", "..")
    places = [path, *([_BUNDLES / name] if plain else [])]
    if plain and not is_file_name(path):
        places.append(_BUNDLES / f"{name}.kcb")
    for place in places:
        try:
            if os.path.lexists(place):
                return place
        except ValueError:  # a NUL in the name
            raise InputError(f"--bundle {name!r}: is no path") from None
    there = _known() if plain else []
    hint = f"there are {', '.join(there)}" if there else "build one with `kernelc build`"
    raise NotABundleError(f"--bundle {name}: no bundle at {', '.join(str(p) for p in places)}; {hint}")


def check_output(option: str, name: str | None) -> Path | None:
    """The path of a file that will be written at the end, if it can be: a run must not be lost for want of a folder.

    InputError for an empty name; FileError where it cannot be written. Leaves nothing behind.
    """
    if name is None:
        return None
    if not name:
        raise InputError(f"{option}: the name is empty; give one, or leave the option out")
    path = Path(name)
    try:
        if path.is_dir():
            raise FileError(f"{option} {name}: is a folder; name a file")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{option} {name}: cannot be written: {path.parent}: {reason}") from None
    return path


def write_output(option: str, path: Path, data: bytes) -> None:
    """Puts the file in place, whole or not at all. FileError."""
    from kernelrt.atomic import replace_file

    try:
        replace_file(path, data)
    except OSError as error:
        raise FileError(f"{option} {path}: cannot be written: {error.strerror}") from None


def _known() -> list[str]:
    """The bundles of build/bundles by name."""
    if not _BUNDLES.is_dir():
        return []
    return sorted(path.name for path in _BUNDLES.iterdir() if not path.name.startswith("."))
