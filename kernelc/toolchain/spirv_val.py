"""SPIRV-Tools' validation: in process from the wheel where it is there, else `spirv-val` on PATH.

NOTES: the wheel's is preferred because a distribution's is often too old for cooperative matrices and bfloat16
(Debian 12: 2023) and would refuse right modules.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from kernelc.errors import ToolError
from kernelc.toolchain.choice import Choice
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.glslang import choose_wheel
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.slang_library import SUPPORTED_WHEELS, SlangLibrary

PROGRAM = "spirv-val"
PROGRAM_FLAGS = ("--target-env", "vulkan1.3")


@dataclass(frozen=True, slots=True)
class InProcess:
    """The wheel's validator, with the process's stderr held back while it runs: one thread at a time."""

    library: SlangLibrary
    version: str

    @property
    def description(self) -> str:
        return f"SPIRV-Tools of the {self.version} wheel, in process"

    def run(self, spirv: bytes) -> str:
        """What is wrong with the module; empty where it is valid."""
        with _captured_stderr() as file:
            valid = self.library.validate(spirv)
            file.seek(0)
            said = file.read().decode("utf-8", "replace").strip()
        return "" if valid else said or "invalid, without a message"


@dataclass(frozen=True, slots=True)
class Program:
    """`spirv-val`."""

    path: Path
    version: str

    @property
    def description(self) -> str:
        return f"{self.path} {self.version}, a process a kernel"

    def run(self, spirv: bytes) -> str:
        """What is wrong with the module; empty where it is valid."""
        command = [str(self.path), *PROGRAM_FLAGS, "-"]
        done = subprocess.run(command, input=spirv, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        return "" if done.returncode == 0 else said or f"{PROGRAM} ended with code {done.returncode}"


Backend = InProcess | Program


def load(choice: Choice) -> Backend:
    """Loads the chosen validator. Raises ToolError where it is not what it was when it was chosen."""
    if choice.in_process:
        return InProcess(SlangLibrary(choice.path), choice.version)
    return Program(choice.path, choice.version)


def flags(choice: Choice) -> object:
    """What the validator is told, as JSON values."""
    return [] if choice.in_process else list(PROGRAM_FLAGS)


def choose(memo: Memo) -> Choice:
    """The validator to use. Raises ToolError where there is none."""
    wheel = choose_wheel(memo)
    if not isinstance(wheel, str):
        return replace(wheel, name=PROGRAM)
    program = choose_program(memo)
    if program is not None:
        return replace(program, note=wheel)
    raise ToolError(
        f"no SPIR-V validator: {wheel}; no {PROGRAM} on PATH. "
        f"Install one: pip install 'slangpy=={SUPPORTED_WHEELS[-1]}', or the package spirv-tools"
    )


def choose_program(memo: Memo) -> Choice | None:
    """`spirv-val` on PATH."""
    found = shutil.which(PROGRAM)
    if found is None:
        return None
    path = Path(found)
    return Choice(PROGRAM, False, path, memo.answer(f"spirv-val-version {memo.sha256(path)}", lambda: _version(path)))


def validate(spirv: bytes, name: str, backend: Backend) -> None:
    """Raises CompileError with the validator's message where the module is not valid SPIR-V for Vulkan."""
    if len(spirv) % 4:
        raise CompileError(name, f"SPIR-V of {len(spirv)} bytes, not a multiple of 4")
    said = backend.run(spirv)
    if said:
        raise CompileError(name, f"invalid SPIR-V: {' '.join(said.split())} (by {backend.description})")


@contextmanager
def _captured_stderr() -> Generator[IO[bytes], None, None]:
    """File descriptor 2 goes to a temporary file, as the library writes there itself."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        try:
            os.dup2(file.fileno(), 2)
            yield file
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _version(path: Path) -> str:
    done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"SPIRV-Tools (\S+)", done.stdout)
    return found.group(1) if found else "of unknown version"
