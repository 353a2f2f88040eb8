"""RADV's null device as an offline compiler: SPIR-V to real AMD machine code, on any Linux machine with Mesa.

NOTES: it cannot dispatch. Mesa's shader cache is off, or statistics of a cached pipeline would be missing; the user's
driver settings are kept out, or the same kernel would compile differently elsewhere.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar, cast

import kernelc
import kernelrt
from kernelc.errors import KernelcError, ToolError
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.frames import read_frame, write_frame
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.isa import Isa, stats_from
from kernelc.toolchain.radv_driver import Driver, find_driver
from kernelc.toolchain.radv_families import FAMILIES
from kernelrt.errors import Exit

# Settings of a user that would change what is compiled, or which driver is loaded.
_FOREIGN = ("RADV_", "ACO_", "AMD_", "MESA_", "VK_", "NIR_", "DISABLE_LAYER", "ENABLE_LAYER")
# What the driver is told, besides its place and the GPU (which are in its identity).
_SETTINGS = {"VK_LOADER_LAYERS_DISABLE": "~implicit~", "MESA_SHADER_CACHE_DISABLE": "true"}
FLAGS: Mapping[str, object] = {"set": _SETTINGS, "removed": _FOREIGN}  # as JSON values
_PROGRAM = "import sys; sys.path += sys.argv[1:]; from kernelc.toolchain import radv_worker; radv_worker.main()"
_NOISE = "ac_compute_device_uuid"  # the null device has no PCI address, and RADV says so


def choose(memo: Memo, gpu: str) -> Driver:
    """RADV, with its version and its name of `gpu`, which it must be able to compile for.

    With a filled memo it runs nothing. Raises ToolError where RADV is not there or does not know the GPU.
    """
    if gpu not in FAMILIES:
        raise ToolError(f"no offline compiler for the GPU {gpu!r}: kernelc knows {', '.join(FAMILIES)}")
    icd, library = find_driver()
    question = f"radv {','.join(FAMILIES[gpu])} {memo.sha256(library)}"
    answer = memo.answer(question, lambda: _ask(icd, library, gpu))
    family, _, version = answer.partition(" ")
    return Driver(icd, library, version, family)


def _ask(icd: Path, library: Path, gpu: str) -> str:
    """RADV's name of the GPU, a space, and RADV's version. Raises ToolError where it knows none of the names."""
    errors: list[str] = []
    for family in FAMILIES[gpu]:
        try:
            with Radv(Driver(icd, library, "", family)) as radv:
                return f"{family} {radv.about()['driver']}"
        except ToolError as error:
            errors.append(f"as {family}: {error}")
    raise ToolError(f"RADV ({library}) cannot compile for {gpu}: {'; '.join(errors)}")


class WorkerError(KernelcError):
    """Our own process does not run. No ToolError: with RADV there, nothing may be left unchecked for this."""

    exit_code = Exit.TOOL


R = TypeVar("R", bound="Radv")


class Radv:
    """One compiler process, started at the first use and again after a crash. Not for several threads at once."""

    def __init__(self, driver: Driver, timeout: float = 120.0) -> None:
        self.driver = driver
        self.timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._about: dict[str, Any] = {}

    def about(self) -> dict[str, Any]:
        """What the null device says of itself: name, driver, features, min_subgroup, max_subgroup, shared_memory,
        max_workgroup, matrices. Raises ToolError where there is no such device."""
        self._start()
        return self._about

    def compile(
        self, spirv: bytes, name: str, bindings: int, constants: Mapping[int, int] | None = None, subgroup: int = 0
    ) -> Isa:
        """Machine code of one kernel; `constants` by specialization id, `subgroup` the required size (0: any).

        Raises CompileError where the driver refuses the kernel or dies on it, ToolError where it cannot be started.
        """
        process = self._start()
        assert process.stdin is not None  # a pipe was asked for
        request = {"name": name, "bindings": bindings, "constants": dict(constants or {}), "subgroup": subgroup}
        try:
            write_frame(process.stdin, json.dumps(request).encode())
            write_frame(process.stdin, spirv)
        except BrokenPipeError as error:
            raise CompileError(name, f"RADV's compiler {self._fate()}") from error
        answer = self._receive()
        if isinstance(answer, str):
            raise CompileError(name, f"RADV's compiler {answer}")
        if "error" in answer:
            raise CompileError(name, f"RADV refuses it: {answer['error'].removeprefix(name + ': ')}")
        return Isa(stats_from(answer["statistics"], answer["subgroup"]), answer["assembly"])

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        self._process = subprocess.Popen(
            _command(),
            env=_environment(self.driver),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        if isinstance(running := self._frame(), str):
            raise WorkerError(f"RADV's compiler process does not start: it {running}")
        about = self._receive()
        if isinstance(about, str):
            raise ToolError(f"RADV's compiler {about}")
        if "error" in about:
            self.close()
            raise ToolError(str(about["error"]))
        self._about = about
        return self._process

    def _receive(self) -> dict[str, Any] | str:
        """The next answer; where none comes, what became of the process."""
        frame = self._frame()
        return frame if isinstance(frame, str) else cast(dict[str, Any], json.loads(frame))

    def _frame(self) -> bytes | str:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(self.timeout):
                self.close()
                return f"did not end within {self.timeout:g} s"
        frame = read_frame(self._process.stdout)
        return self._fate() if frame is None else frame

    def _fate(self) -> str:
        """How the process ended, with its last words."""
        assert self._process is not None
        assert self._stderr is not None
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").splitlines()
        words = [line.strip() for line in lines if line.strip() and _NOISE not in line]
        self.close()
        try:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        except ValueError:
            how = f"was ended by signal {-code}"
        return f"{how}: {words[-1]}" if words else how


def _command() -> list[str]:
    """The process sees the standard library and the packages that this one sees, and not the folder it is started in:
    a json.py that lies there is not ours to run."""
    packages = [str(Path(package.__path__[0]).resolve().parent) for package in (kernelc, kernelrt)]
    others = [path for path in sys.path if os.path.isabs(path)]
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, *dict.fromkeys([*packages, *others])]


def _environment(driver: Driver) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return (
        kept
        | _SETTINGS
        | {
            "VK_DRIVER_FILES": str(driver.icd),
            "VK_ICD_FILENAMES": str(driver.icd),  # the same, for loaders before 1.3.207
            "RADV_FORCE_FAMILY": driver.family,
        }
    )
