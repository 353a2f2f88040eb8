"""GLSL compute shaders to SPIR-V 1.6 for Vulkan 1.3: in process where the wheel is there, else by glslang on PATH."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from kernelc.errors import ToolError
from kernelc.toolchain.choice import Choice
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.slang_library import FLAGS, SUPPORTED_WHEELS, SlangLibrary, library_path, wheel_version

NAME = "glslang"
PROGRAMS = ("glslang", "glslangValidator")
PROGRAM_FLAGS = ("--target-env", "vulkan1.3")

# Every GLSL extension that a template may ask for.
EXTENSIONS = (
    "GL_EXT_shader_16bit_storage",
    "GL_EXT_shader_8bit_storage",
    "GL_EXT_shader_explicit_arithmetic_types",
    "GL_EXT_control_flow_attributes",
    "GL_KHR_shader_subgroup_basic",
    "GL_KHR_shader_subgroup_vote",
    "GL_KHR_shader_subgroup_arithmetic",
    "GL_KHR_shader_subgroup_ballot",
    "GL_KHR_shader_subgroup_shuffle",
    "GL_KHR_shader_subgroup_clustered",
    "GL_KHR_memory_scope_semantics",
    "GL_KHR_cooperative_matrix",
    "GL_EXT_integer_dot_product",
    "GL_EXT_bfloat16",
)

_PROBE = "#version 460\n{}layout(local_size_x = 1) in;\nvoid main() {{}}\n"
_MESSAGE = re.compile(r"ERROR: (?:.*?):(\d+): (.*)")
_SPIRV_MAGIC = b"\x03\x02\x23\x07"


@dataclass(frozen=True, slots=True)
class InProcess:
    """glslang of the wheel, through ctypes."""

    library: SlangLibrary
    version: str

    @property
    def description(self) -> str:
        return f"glslang of the {self.version} wheel, in process"

    def run(self, source: str, name: str) -> tuple[bytes, str]:
        return self.library.compile(source, name)


@dataclass(frozen=True, slots=True)
class Program:
    """A glslang program."""

    path: Path
    version: str

    @property
    def description(self) -> str:
        return f"{self.path} {self.version}, a process a kernel"

    def run(self, source: str, name: str) -> tuple[bytes, str]:
        with tempfile.TemporaryDirectory(prefix="kernelc-glslang-") as folder:
            # The file's name is the same for every kernel and place, whatever the compiler does with it.
            Path(folder, "kernel.comp").write_text(source, encoding="utf-8")
            command = [str(self.path), *PROGRAM_FLAGS, "-o", "kernel.spv", "kernel.comp"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            spirv = Path(folder, "kernel.spv").read_bytes() if done.returncode == 0 else b""
            return spirv, done.stdout + done.stderr


Backend = InProcess | Program


def load(choice: Choice) -> Backend:
    """Loads the chosen compiler. Raises ToolError where it is not what it was when it was chosen."""
    if choice.in_process:
        return InProcess(SlangLibrary(choice.path), choice.version)
    return Program(choice.path, choice.version)


def flags(choice: Choice) -> object:
    """What the compiler is told, as JSON values."""
    return dict(FLAGS) if choice.in_process else list(PROGRAM_FLAGS)


def choose(memo: Memo) -> Choice:
    """The compiler to use: the wheel's where its version is known and it compiles, else the program on PATH.

    With a filled memo it loads and runs nothing. Raises ToolError where there is neither.
    """
    wheel = choose_wheel(memo)
    if isinstance(wheel, Choice):
        return wheel
    found = choose_program(memo)
    if isinstance(found, Choice):
        return replace(found, note=wheel)
    raise ToolError(f"no GLSL compiler: {wheel}; {found}. Install it: pip install 'slangpy=={SUPPORTED_WHEELS[-1]}'")


def choose_wheel(memo: Memo) -> Choice | str:
    """The wheel's compiler; else why not."""
    version, path = wheel_version(), library_path()
    if version is None or path is None:
        return "the slangpy wheel is not installed"
    if version not in SUPPORTED_WHEELS:
        return f"slangpy {version} is installed, kernelc knows {', '.join(SUPPORTED_WHEELS)}"
    try:
        memo.answer(f"smoke-compile {memo.sha256(path)}", lambda: _smoke(path))
    except ToolError as error:
        return str(error)
    # The library tells no version of its own; the wheel's is not glslang's.
    return Choice(NAME, True, path, f"slangpy {version}")


def choose_program(memo: Memo) -> Choice | str:
    """The first glslang on PATH; else why not."""
    refusals: list[str] = []
    for path in (Path(found) for name in PROGRAMS if (found := shutil.which(name)) is not None):
        try:
            version = memo.answer(f"glslang-version {memo.sha256(path)}", lambda path=path: _version(path))
        except ToolError as error:
            refusals.append(str(error))
        else:
            return Choice(NAME, False, path, version)
    return "; ".join(refusals) or f"no {' or '.join(PROGRAMS)} on PATH"


def supports(backend: Backend, extension: str) -> bool:
    """Whether the compiler knows a GLSL extension, by compiling with it."""
    spirv, _ = backend.run(_PROBE.format(f"#extension {extension} : require\n"), "probe")
    return spirv[:4] == _SPIRV_MAGIC


@lru_cache(maxsize=1)
def default_backend() -> Backend:
    """The chosen compiler, loaded once a process. Raises ToolError where there is none."""
    return load(choose(Memo()))


def compile(source: str, name: str, using: Backend | None = None) -> bytes:
    """GLSL compute source to a SPIR-V module; the same source gives the same bytes.

    Raises CompileError with the first message's line and text, ToolError where there is no compiler.
    """
    backend = using or default_backend()
    spirv, messages = backend.run(source, name)
    if spirv[:4] == _SPIRV_MAGIC:
        return spirv
    for line in messages.splitlines():
        found = _MESSAGE.match(line)
        if found:
            number, message = int(found.group(1)), found.group(2).removeprefix("'' : ").strip()
            if "extension not supported" in message:
                message = f"{message} (by {backend.description})"
            lines = source.splitlines()
            raise CompileError(name, message, number, lines[number - 1] if 0 < number <= len(lines) else "")
    raise CompileError(name, " ".join(messages.split()) or "the compiler gave neither code nor a message")


def _smoke(path: Path) -> str:
    """Says that the library compiles. Raises ToolError where it cannot be used."""
    spirv, messages = SlangLibrary(path).compile(_PROBE.format(""), "probe")
    if spirv[:4] != _SPIRV_MAGIC:
        raise ToolError(f"{path} does not compile an empty shader: {' '.join(messages.split())}")
    return "compiles"


def _version(path: Path) -> str:
    done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"Glslang Version: (?:\d+:)?(\S+)", done.stdout)
    if found is None:
        raise ToolError(f"{path} does not answer --version as glslang does")
    return found.group(1)
