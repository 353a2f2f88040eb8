"""`aiecc` of mlir-aie: a design for the NPU to an xclbin (what the array is) and its instructions (what it is told).

NOTES: it is a driver that runs a dozen programs and writes some hundred files; each design is compiled in a folder of
its own, and what the user's environment could change of it is kept out. Its options changed their names in 2026
(--aie-generate-xclbin became --get-xclbin): its own help says which it knows.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kernelc.errors import ToolError
from kernelc.toolchain import peano
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.identity import Identity, Memo, identify
from kernelc.toolchain.peano import Peano
from kernelc.toolchain.process import fate, run
from kernelc.toolchain.xclbin import XclbinError, normalise

NAME = "aiecc"
VARIABLE = "MLIR_AIE_INSTALL_DIR"
INSTALL = "the mlir_aie wheel of the mlir-aie project, or set MLIR_AIE_INSTALL_DIR"
_PROGRAMS = ("aiecc", "aiecc.py")
_DESIGN, _XCLBIN, _INSTS = "design.mlir", "design.xclbin", "insts.bin"
_KEPT = ("LD_LIBRARY_PATH",)  # of the user's environment: XRT's own setup puts xclbinutil's libraries there
_ERROR = re.compile(r"(\S*?)([^\s/]+\.mlir):(\d+):\d+: error: (.*)")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The options of a generation of aiecc: `common`, those that make `both` an xclbin and instructions, and those that
    make `insts` alone, for which no core need be compiled."""

    common: tuple[str, ...]
    both: tuple[str, ...]
    insts: tuple[str, ...]


_ALWAYS = ("--alloc-scheme=basic-sequential", "-j1")
_NAME = f"--npu-insts-name={_INSTS}"
_OLD = Dialect(
    ("--no-xchesscc", "--no-xbridge", "--no-compile-host", *_ALWAYS),
    ("--aie-generate-xclbin", f"--xclbin-name={_XCLBIN}", "--aie-generate-npu-insts", _NAME),
    ("--no-compile", "--no-link", "--aie-generate-npu-insts", _NAME),
)
_NEW = Dialect(
    ("--no-progress", *_ALWAYS),
    ("--get-xclbin", f"--xclbin-name={_XCLBIN}", "--get-npu-insts", _NAME),
    ("--get-npu-insts", _NAME),
)


@dataclass(frozen=True, slots=True)
class Aiecc:
    """The tools that make an xclbin."""

    program: Path
    version: str
    dialect: Dialect
    peano: Peano
    xclbinutil: Path

    @property
    def root(self) -> Path:
        return self.program.resolve().parent.parent

    def identities(self, memo: Memo) -> dict[str, Identity]:
        """What each of the tools is: the programs and libraries of mlir-aie, Peano, xclbinutil."""
        root = self.root
        patterns = ["bin/aie*", "bin/bootgen*", "lib/*.so*", "python/aie/_mlir_libs/*.so*"]
        if self.program.suffix == ".py":
            patterns.append("python/aie/**/*.py")
        files = [path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_file()]
        return {
            NAME: identify(NAME, self.version, list(dict.fromkeys([self.program.resolve(), *files])), memo),
            peano.NAME: self.peano.identity(memo),
            "xclbinutil": identify("xclbinutil", "of XRT", [self.xclbinutil], memo),
        }

    @property
    def flags(self) -> Mapping[str, object]:
        """What the tools are told, as JSON values."""
        return {NAME: asdict(self.dialect), peano.NAME: list(self.peano.flags)}


@dataclass(frozen=True, slots=True)
class Compiled:
    """`xclbin` is normalised; `insts` are the 32-bit words of each runtime sequence."""

    xclbin: bytes
    insts: Mapping[str, bytes]


def find() -> Path:
    """Where aiecc is. ToolError where it is not."""
    named = os.environ.get(VARIABLE)
    places = [Path(named)] if named else [Path(folder, "mlir_aie") for folder in sys.path]
    for place in places:
        for program in _PROGRAMS:
            if (place / "bin" / program).is_file():
                return (place / "bin" / program).absolute()
    if named:
        raise ToolError(f"{VARIABLE}={named}: no aiecc is there (no bin/aiecc); install {INSTALL}")
    for program in _PROGRAMS:
        if found := shutil.which(program):
            return Path(found).absolute()
    raise ToolError(
        f"aiecc is not installed: no mlir_aie wheel, {VARIABLE} is not set, and it is not on PATH; install {INSTALL}"
    )


def find_xclbinutil() -> Path:
    """Where XRT's packer is, with which aiecc packs: beside it or on PATH. ToolError where it is not."""
    places = [os.environ.get("PATH", "")]
    with suppress(ToolError):
        places.insert(0, str(find().parent))
    if found := shutil.which("xclbinutil", path=os.pathsep.join(places)):
        return Path(found).absolute()
    raise ToolError("xclbinutil, with which aiecc packs an xclbin, is not on PATH: install XRT (Debian: libxrt-utils)")


def choose(memo: Memo) -> Aiecc:
    """The tools of the environment, of the wheels, or on PATH. ToolError where one is missing.

    With a filled memo it runs nothing.
    """
    program = find()
    found = peano.choose(memo)
    xclbinutil = find_xclbinutil()
    version = peano.wheel_version(program.parent.parent, "mlir_aie")
    dialect = memo.answer(f"aiecc-options {memo.sha256(program)}", lambda: _dialect(program))
    return Aiecc(program, version, _OLD if dialect == "old" else _NEW, found, xclbinutil)


def compile(
    source: str, name: str, tools: Aiecc, folder: Path, sequences: Sequence[str], timeout: float = 900.0
) -> Compiled:
    """Compiles a design with its runtime sequences in `folder`, which is empty and the caller's to remove.

    Raises CompileError, with the line of `source` where aiecc names one; ToolError where it cannot be started.
    """
    (folder / _DESIGN).write_text(source, encoding="utf-8")
    view = tools.peano.view(folder / "peano")
    insts: dict[str, bytes] = {}
    for number, sequence in enumerate(sequences):
        # How it names the files of several sequences has changed; one at a time, they have one name in every version.
        which = [f"--sequence-name={sequence}"] if len(sequences) > 1 else []
        options = [*tools.dialect.common, *(tools.dialect.insts if number else tools.dialect.both), *which]
        command = [*_command(tools.program), *options, f"--peano={view}", _DESIGN]
        code, said = run(command, folder, _environment(tools, view, folder), timeout)
        if code is None:
            raise CompileError(name, f"aiecc did not end within {timeout:g} s and was stopped")
        if code != 0:
            raise _refusal(name, source, code, said)
        insts[sequence] = _taken(name, folder / _INSTS)
        if len(insts[sequence]) % 4:
            raise CompileError(name, f"aiecc's instructions have {len(insts[sequence])} bytes, no whole words")
    try:
        return Compiled(normalise(_taken(name, folder / _XCLBIN)), insts)
    except XclbinError as error:
        raise CompileError(name, f"what aiecc made cannot be used: {error}") from None


def _taken(name: str, file: Path) -> bytes:
    """A file that aiecc made, which is then gone: what one run leaves is not taken for the next one's."""
    try:
        data = file.read_bytes()
        file.unlink()
    except FileNotFoundError:
        data = b""
    if not data:
        raise CompileError(name, f"aiecc ended well and left no {file.name}")
    return data


def _command(program: Path) -> list[str]:
    return [sys.executable, str(program)] if program.suffix == ".py" else [str(program)]


def _dialect(program: Path) -> str:
    """ "old" or "new": which names this aiecc has for its options. ToolError where it does not run."""
    environment = {**os.environ, "PYTHONPATH": str(program.resolve().parent.parent / "python")}
    command = [*_command(program), "--help"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{program} does not run: {error}") from error
    for name, option in (("old", "aie-generate-xclbin"), ("new", "xclbin-name")):
        if option in done.stdout:
            return name
    words = (done.stderr or done.stdout).split()
    raise ToolError(f"{program} does not answer --help as aiecc does: {' '.join(words[:40]) or 'no answer'}")


def _environment(tools: Aiecc, view: Path, folder: Path) -> dict[str, str]:
    kept = {name: value for name in _KEPT if (value := os.environ.get(name))}
    programs = [tools.program.parent, tools.xclbinutil.parent, "/usr/bin", "/bin"]
    return kept | {
        "PATH": os.pathsep.join(map(str, programs)),
        "PYTHONPATH": str(tools.root / "python"),
        peano.VARIABLE: str(view),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
    }


def _refusal(name: str, source: str, code: int, said: str) -> CompileError:
    """The first error that aiecc names: in the design, in what it made of it, or of one of its tools."""
    found = [match for line in said.splitlines() if (match := _ERROR.search(line))]
    for match in found:
        if match.group(2) == _DESIGN and not match.group(1).endswith(".prj/"):
            lines, number = source.splitlines(), int(match.group(3))
            text = lines[number - 1] if 0 < number <= len(lines) else ""
            return CompileError(name, match.group(4).strip(), number, text)
    if found:
        where = f"line {found[0].group(3)} of aiecc's {found[0].group(2)}"
        return CompileError(name, f"{found[0].group(4).strip()} ({where})")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no message")
    return CompileError(name, f"aiecc {fate(code)}: {words}")
