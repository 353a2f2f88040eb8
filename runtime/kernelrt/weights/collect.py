"""Cache files that no start will use again."""

from collections.abc import Iterator
from pathlib import Path

from kernelrt.errors import InputError
from kernelrt.weights.cache import SUFFIX
from kernelrt.weights.planes_file import origins_of


def collect(folder: Path) -> Iterator[str]:
    """Removes the cache files in `folder` whose weights are gone or were replaced; gives a line for each.

    What cannot be read stays: another version may have written it. A process that reads a file meanwhile keeps it.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            lost = next((origin for origin in origins_of(path) if not origin.remains), None)
        except InputError:
            continue
        if lost is None:
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            yield f"{path}: cannot be removed ({error.strerror or error}); {lost.path} is gone or was replaced"
        else:
            yield f"the cache file {path} was removed: {lost.path} is gone or was replaced"
