"""Peano, the LLVM for AIE cores, with which `aiecc` compiles them: where it is, what it is, how aiecc is to see it."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from kernelc.errors import ToolError
from kernelc.toolchain.identity import Identity, Memo, identify

NAME = "peano"
VARIABLE = "PEANO_INSTALL_DIR"
INSTALL = "the llvm-aie wheel of the Peano project, or set PEANO_INSTALL_DIR"
# Works around a miscompilation of immediates (llvm-aie issue 1038). aiecc has no option to hand it on.
WORKAROUND = "-aie-disable-fold-imm"
_PROGRAMS = ("clang", "opt", "llc", "ld.lld")  # what aiecc runs of it


@dataclass(frozen=True, slots=True)
class Peano:
    """An installation; `flags` are what its `llc` is told beside aiecc's own."""

    root: Path
    version: str
    flags: tuple[str, ...]

    def identity(self, memo: Memo) -> Identity:
        """Name, version and hash of the programs and of the libraries that they and the cores are linked with."""
        libraries = sorted(self.root.glob("lib/*.so*")) + sorted(self.root.glob("lib/**/aie2-none-unknown-elf/**/*"))
        files = [self.root / "bin" / name for name in _PROGRAMS] + [path for path in libraries if path.is_file()]
        return identify(NAME, self.version, files, memo)

    def view(self, folder: Path) -> Path:
        """Makes `folder` an installation of links to this one, whose `llc` is given the flags."""
        (folder / "bin").mkdir(parents=True)
        for path in (*self.root.iterdir(), *(self.root / "bin").iterdir()):
            link = folder / path.relative_to(self.root)
            if not link.exists():
                link.symlink_to(path.absolute())
        if self.flags:
            llc = folder / "bin" / "llc"
            llc.unlink()
            words = shlex.join([str((self.root / "bin" / "llc").absolute()), *self.flags])
            llc.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            llc.chmod(0o755)
        return folder


def choose(memo: Memo) -> Peano:
    """The installation that the environment names, else the wheel's. ToolError where there is none.

    With a filled memo it runs nothing.
    """
    root = find()
    llc = root / "bin" / "llc"
    known = memo.answer(f"llc {WORKAROUND} {memo.sha256(llc)}", lambda: _knows(llc))
    return Peano(root, wheel_version(root, "llvm_aie"), (WORKAROUND,) if known == "known" else ())


def find() -> Path:
    """Where it is. ToolError where it is not, or not whole."""
    named = os.environ.get(VARIABLE)
    places = [Path(named)] if named else [Path(folder, "llvm-aie") for folder in sys.path]
    for place in places:
        missing = [name for name in _PROGRAMS if not (place / "bin" / name).is_file()]
        if not missing:
            return place.absolute()
        if named:
            raise ToolError(f"{VARIABLE}={named}: no Peano is there (no bin/{missing[0]}); install {INSTALL}")
    raise ToolError(f"Peano is not installed: {VARIABLE} is not set, and there is no llvm-aie wheel; install {INSTALL}")


def wheel_version(root: Path, name: str) -> str:
    """The version of the wheel that an installation came with, by the folder beside it."""
    for info in sorted(root.resolve().parent.glob(f"{name}-*.dist-info")):
        return info.name.removeprefix(f"{name}-").removesuffix(".dist-info")
    return "of unknown version"


def _knows(llc: Path) -> str:
    """Whether this `llc` knows the workaround. ToolError where it does not run."""
    try:
        done = subprocess.run([llc, "--help-hidden"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{llc} does not run: {error}") from error
    return "known" if WORKAROUND in done.stdout else "unknown"
