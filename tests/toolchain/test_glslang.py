"""The GLSL compiler in process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernelc.buckets import Buckets
from kernelc.errors import KernelcError, ToolError
from kernelc.plan import plan
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelc.toolchain import glslang, slang_library
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.slang_library import SlangLibrary
from kernelrt.model import ModelSpec

_SHADER = """#version 460
layout(local_size_x = 32) in;
layout(set = 0, binding = 0, std430) buffer A { float a[]; };
void main() {
  a[gl_GlobalInvocationID.x] *= 2.0;
}
"""
_MATRIX = """#version 460
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_bfloat16 : require
layout(local_size_x = 32) in;
layout(set = 0, binding = 0, std430) readonly buffer A { TYPE a[]; };
layout(set = 0, binding = 1, std430) buffer C { float c[]; };
void main() {
  coopmat<TYPE, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> x;
  coopmat<TYPE, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> y;
  coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> z;
  z = coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0.0);
  coopMatLoad(x, a, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(y, a, 256, 16, gl_CooperativeMatrixLayoutRowMajor);
  coopMatStore(coopMatMulAdd(x, y, z), c, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
}
"""


def test_the_wheel_is_in_use_with_every_extension() -> None:
    backend = glslang.default_backend()
    assert isinstance(backend, glslang.InProcess)
    assert backend.description == f"glslang of the slangpy {slang_library.SUPPORTED_WHEELS[0]} wheel, in process"
    assert [name for name in glslang.EXTENSIONS if not glslang.supports(backend, name)] == []
    assert not glslang.supports(backend, "GL_FOO_no_such_thing")


def test_the_module_is_spirv_1_6_for_compute() -> None:
    spirv = glslang.compile(_SHADER, "double")
    assert spirv[:8] == b"\x03\x02\x23\x07\x00\x06\x01\x00"
    text = SlangLibrary(glslang.choose(Memo()).path).disassemble(spirv)
    assert text is not None
    assert "OpEntryPoint GLCompute %main" in text


@pytest.mark.parametrize("element", ["float16_t", "bfloat16_t"])
def test_cooperative_matrices_compile(element: str) -> None:
    assert glslang.compile(_MATRIX.replace("TYPE", element), "matrix")


def test_the_same_source_gives_the_same_bytes_everywhere(tmp_path: Path) -> None:
    source = _MATRIX.replace("TYPE", "float16_t")
    here = glslang.compile(source, "one")
    assert here == glslang.compile(source, "another name")
    script = (
        "import hashlib, sys; from kernelc.toolchain.glslang import compile;"
        "print(hashlib.sha256(compile(sys.stdin.read(), 'third')).hexdigest())"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", script], input=source, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest(), done.stderr


def test_an_error_names_kernel_line_text_and_message() -> None:
    with pytest.raises(CompileError) as caught:
        glslang.compile(_SHADER.replace("2.0", "two"), "double")
    error = caught.value
    assert isinstance(error, KernelcError)
    assert (error.kernel, error.line) == ("double", 5)
    assert error.message == "'two' : undeclared identifier"
    assert error.text == "  a[gl_GlobalInvocationID.x] *= two;"
    assert str(error) == "double:5: 'two' : undeclared identifier  [a[gl_GlobalInvocationID.x] *= two;]"


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        (_SHADER + "}", 7, "syntax error"),
        (_SHADER[:-2], 6, "syntax error"),
        ("#version 460\n#extension GL_FOO_bar : require\nvoid main() {}\n", 2, "GL_FOO_bar (by glslang of the slangpy"),
        (_SHADER.replace("main", "other"), 0, "Missing entry point"),
        ("", 0, ""),
        ("#version 999\nvoid main() {}\n", 0, "version not supported"),
    ],
)
def test_every_failure_is_one_line(source: str, line: int, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        glslang.compile(source, "broken")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("broken")
    if line:
        assert caught.value.line == line


def test_a_failure_leaves_the_compiler_usable() -> None:
    before = glslang.compile(_SHADER, "double")
    for _ in range(3):
        with pytest.raises(CompileError):
            glslang.compile("void main() {", "broken")
    assert glslang.compile(_SHADER, "double") == before


def test_choice_with_a_filled_memo_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memo = Memo(tmp_path / "memo.json")
    first = glslang.choose(memo)
    identity = first.identity(memo)
    memo.save()

    def refuse(_: object, path: Path) -> None:
        raise AssertionError(f"{path} was loaded")

    monkeypatch.setattr(SlangLibrary, "__init__", refuse)
    again = Memo(tmp_path / "memo.json")
    assert glslang.choose(again) == first
    assert first.identity(again) == identity
    assert (identity.name, identity.version) == ("glslang", f"slangpy {slang_library.wheel_version()}")
    assert len(identity.sha256) == 64


def test_another_wheel_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glslang, "SUPPORTED_WHEELS", ("9.9.9",))
    assert glslang.choose_wheel(Memo()) == f"slangpy {slang_library.wheel_version()} is installed, kernelc knows 9.9.9"


def test_a_library_of_another_kind_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "libslang-glslang-1.so"
    library.write_bytes(b"no library")
    monkeypatch.setattr(glslang, "library_path", lambda: library)
    refusal = glslang.choose_wheel(Memo())
    assert isinstance(refusal, str)
    assert "is not the glslang library that kernelc knows" in refusal


def test_without_any_compiler_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(glslang, "SUPPORTED_WHEELS", ("9.9.9",))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"no GLSL compiler: .*no glslang or glslangValidator on PATH.*pip install"):
        glslang.choose(Memo())


def test_a_program_of_another_kind_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "glslang").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    refusal = glslang.choose_program(Memo())
    assert isinstance(refusal, str)
    assert "does not answer --version as glslang does" in refusal


@pytest.mark.parametrize(("target", "rolled"), [("host", True), ("h200", False)])
def test_loops_are_unrolled_for_a_gpu_and_stay_loops_on_the_cpu(target: str, rolled: bool) -> None:
    specs = plan(ModelSpec.load("tiny"), TargetSpec.load(target), Buckets())
    code = next(glslang.compile(render(spec), spec.name) for spec in specs if spec.family == "attn_decode")
    text = SlangLibrary(glslang.choose(Memo()).path).disassemble(code)
    assert text is not None
    assert (" Unroll\n" in text, " DontUnroll\n" in text) == (not rolled, rolled)
