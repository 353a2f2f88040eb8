"""The glslang with SPIRV-Tools that the PyPI wheel `slangpy` carries, loaded alone through ctypes.

NOTES: Debian 12's glslang knows neither cooperative matrices nor integer dot, no wheel of glslang itself is published,
and a call in process takes 1 ms where a process takes 100. The library's interface is private to Slang, so the wheel's
version is pinned and the library must compile a probe before it is used. `slangpy` itself is never imported: it would
load 30 MB of libraries.
"""

import ctypes
import importlib.util
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kernelc.errors import ToolError

SUPPORTED_WHEELS = ("0.43.1",)
_SPIRV_VERSION = (1, 6, 0)
_OPTIONS = {
    "slangStage": 6,  # compute
    "action": 0,  # compile
    "optimizationLevel": 0,
    "debugInfoType": 0,
}
# What decides, besides source and library, which module comes out.
FLAGS: Mapping[str, object] = {**_OPTIONS, "spirvVersion": _SPIRV_VERSION}
_Output = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


class _Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)]


class _Request(ctypes.Structure):
    """`glslang_CompileRequest_1_2` of Slang's source/slang-glslang/slang-glslang.h."""

    _fields_ = [
        ("sizeInBytes", ctypes.c_size_t),
        ("sourcePath", ctypes.c_char_p),
        ("inputBegin", ctypes.c_void_p),
        ("inputEnd", ctypes.c_void_p),
        ("diagnosticFunc", _Output),
        ("diagnosticUserData", ctypes.c_void_p),
        ("outputFunc", _Output),
        ("outputUserData", ctypes.c_void_p),
        ("slangStage", ctypes.c_int),
        ("action", ctypes.c_uint),
        ("optimizationLevel", ctypes.c_uint),
        ("debugInfoType", ctypes.c_uint),
        ("spirvTargetName", ctypes.c_char_p),
        ("spirvVersion", _Version),
        ("entryPointName", ctypes.c_char_p),
    ]


def wheel_version() -> str | None:
    """The installed wheel's version; None where there is none."""
    # The name of the folder tells it: importlib.metadata would cost a build that has nothing to do 15 ms.
    found = [info for folder in _folders() for info in folder.parent.glob("slangpy-*.dist-info")]
    return found[0].name.removeprefix("slangpy-").removesuffix(".dist-info") if found else None


def library_path() -> Path | None:
    """Where the wheel's library is, without importing the wheel; None where there is none."""
    found = [path for folder in _folders() for path in sorted(folder.glob("libslang-glslang-*.so"))]
    return found[0] if found else None


def _folders() -> list[Path]:
    """Where the wheel's package lies."""
    spec = importlib.util.find_spec("slangpy")
    return [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []


def _appender(into: bytearray) -> Callable[[int, int, int], None]:
    """A callback that collects what the library hands it."""

    def append(data: int, size: int, _: int) -> None:
        into.extend(ctypes.string_at(data, size))

    return append


@contextmanager
def _undisturbed() -> Generator[None]:
    """Holds signals back: what their handlers raise in a callback of the library is dropped, with what it brought."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGALRM))
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class SlangLibrary:
    """The loaded library. Calls are not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._library = ctypes.CDLL(str(path))
            self._compile = self._library.glslang_compile_1_2
            self._validate = self._library.glslang_validateSPIRV
            self._disassemble = self._library.glslang_disassembleSPIRVWithResult
        except (OSError, AttributeError) as error:
            raise ToolError(f"{path} is not the glslang library that kernelc knows: {error}") from error
        self._compile.argtypes = [ctypes.POINTER(_Request)]
        self._compile.restype = ctypes.c_int
        self._validate.argtypes = [ctypes.c_char_p, ctypes.c_int]
        self._validate.restype = ctypes.c_bool
        self._disassemble.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
        self._disassemble.restype = ctypes.c_bool

    def compile(self, source: str, name: str) -> tuple[bytes, str]:
        """GLSL compute source to SPIR-V 1.6, not optimised, no debug information: (module, diagnostics).

        The module is empty where it failed.
        """
        text = source.encode()
        buffer = ctypes.create_string_buffer(text, len(text))
        output, messages = bytearray(), bytearray()
        # The callbacks must outlive the call: held in these names.
        on_output, on_message = _Output(_appender(output)), _Output(_appender(messages))
        start = ctypes.addressof(buffer)
        request = _Request(
            sizeInBytes=ctypes.sizeof(_Request),
            sourcePath=name.encode(),
            inputBegin=start,
            inputEnd=start + len(text),
            diagnosticFunc=on_message,
            outputFunc=on_output,
            entryPointName=b"main",
            spirvVersion=_Version(*_SPIRV_VERSION),
            **_OPTIONS,
        )
        with _undisturbed():
            failed = self._compile(ctypes.byref(request)) != 0
        return b"" if failed else bytes(output), messages.decode("utf-8", "replace")

    def validate(self, spirv: bytes) -> bool:
        """SPIRV-Tools' verdict; what it finds goes to the process's stderr."""
        with _undisturbed():
            return bool(self._validate(spirv, len(spirv) // 4))

    def disassemble(self, spirv: bytes) -> str | None:
        """SPIR-V assembly; None where the module cannot be read."""
        out = ctypes.c_char_p()
        with _undisturbed():
            read = self._disassemble(spirv, len(spirv) // 4, ctypes.byref(out))
        if not read or out.value is None:
            return None
        return out.value.decode("utf-8", "replace")
