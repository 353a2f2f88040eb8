"""Where the user wants the store and the bundles, and whether they can be there."""

import os
from pathlib import Path

from kernelc.errors import StoreError
from kernelrt.bundle import check_place
from kernelrt.container import is_file_name
from kernelrt.errors import BundleWriteError, InputError


def named(option: str, text: str | None) -> Path | None:
    """The path that an option gives. InputError where it is empty: pathlib would take that for the current folder."""
    if text == "":
        raise InputError(f"{option}: the name is empty; give one, or leave the option out")
    return None if text is None else Path(text)


def check_places(store: Path, folder: Path, file: Path | None) -> None:
    """Whether a bundle can go there, before there is any work.

    InputError where the store and the outputs are not apart, or the folder is one that the user stands in; StoreError
    where something is in the way.
    """
    if is_file_name(folder):
        raise InputError(f"--out {folder}: is for a folder; give the file with --bundle-file, and a folder with --out")
    if file and not is_file_name(file):
        raise InputError(f"--bundle-file {file}: the name of a bundle file ends in .kcb")
    # The store's folders are locked while a build runs, and so are the folders that outputs are put into.
    for option, output in (("--out", folder), ("--bundle-file", file)):
        if output and _overlap(output, store):
            raise InputError(f"{option} {output}: the store {store} and a bundle may not lie in one another; move one")
    if file and _overlap(file, folder):
        raise InputError(f"--bundle-file {file}: is not to lie in the bundle's folder {folder}; give another place")
    try:
        here = Path.cwd()
    except FileNotFoundError:  # removed: nobody's work is lost there
        here = None
    if here and _within(here, _real(folder)):
        raise InputError(f"--out {folder}: is the current folder or holds it; name a folder of the bundle's own")
    for output in (folder, file):
        try:
            if output:
                check_place(output)
        except BundleWriteError as e:
            raise StoreError(str(e)) from e


def _overlap(one: Path, other: Path) -> bool:
    one, other = _real(one), _real(other)
    return _within(one, other) or _within(other, one)


def _within(inner: Path, outer: Path) -> bool:
    """Whether a real path is another or lies in it, by whatever name: a mount or the file system may give it two."""
    return any(
        path == outer or (os.path.exists(path) and os.path.exists(outer) and os.path.samefile(path, outer))
        for path in (inner, *inner.parents)
    )


def _real(path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError:
        raise StoreError(f"{path}: the current folder was removed; go to another, or give a full path") from None
