"""Where Mesa's RADV is on this machine."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelc.errors import ToolError
from kernelc.toolchain.identity import Identity, Memo, identify

_DATA_FOLDERS = "/usr/local/share:/usr/share"
_LIBRARY_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
)
_INSTALL = "install mesa-vulkan-drivers (Debian 12: from bookworm-backports)"


@dataclass(frozen=True, slots=True)
class Driver:
    """RADV: the loader's file for it, its library, its version, and its name of the GPU to compile for."""

    icd: Path
    library: Path
    version: str
    family: str

    def identity(self, memo: Memo) -> Identity:
        """Name, version and hash of the compiler; the GPU is part of the name."""
        return identify(f"radv {self.family}", self.version, [self.library], memo)


def find_driver() -> tuple[Path, Path]:
    """RADV's ICD file and library. Raises ToolError where it is not installed."""
    unusable: list[str] = []
    for icd in _icd_files():
        try:
            named = Path(json.loads(icd.read_text(encoding="utf-8"))["ICD"]["library_path"])
        except (OSError, ValueError, KeyError, TypeError):
            unusable.append(f"{icd} cannot be read")
            continue
        library = _resolve(icd, named)
        if library is not None:
            return icd, library
        unusable.append(f"{icd} names {named}, which is not there")
    found = "; ".join(unusable) or "no radeon_icd*.json in the Vulkan loader's folders"
    raise ToolError(f"RADV is not installed ({found}): {_INSTALL}")


def _icd_files() -> Iterator[Path]:
    """RADV's files in the folders that the Vulkan loader searches."""
    data = os.environ.get("XDG_DATA_DIRS") or _DATA_FOLDERS
    configuration = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    folders = [*configuration.split(":"), "/etc", *data.split(":"), *_DATA_FOLDERS.split(":")]
    for folder in dict.fromkeys(folders):
        yield from sorted(Path(folder, "vulkan", "icd.d").glob("radeon_icd*.json"))


def _resolve(icd: Path, named: Path) -> Path | None:
    """The library an ICD file names: absolute, relative to the file, or a bare name for the dynamic linker."""
    if named.is_absolute():
        places = [named]
    elif len(named.parts) > 1:
        places = [icd.parent / named]
    else:
        places = [Path(folder, named) for folder in _LIBRARY_FOLDERS]
    return next((place for place in places if place.is_file()), None)
