"""SPIRV-Tools' validation, in process and as a program."""

import os

import pytest

from kernelc.toolchain import spirv_val
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.glslang import compile
from kernelc.toolchain.identity import Memo

_SHADER = """#version 460
layout(local_size_x = 32) in;
layout(set = 0, binding = 0, std430) buffer A { float a[]; };
void main() { a[gl_GlobalInvocationID.x] *= 2.0; }
"""


@pytest.fixture(scope="module")
def spirv() -> bytes:
    return compile(_SHADER, "double")


@pytest.fixture(scope="module", params=["wheel", "program"])
def backend(request: pytest.FixtureRequest) -> spirv_val.Backend:
    if request.param == "wheel":
        return spirv_val.load(spirv_val.choose(Memo()))
    choice = spirv_val.choose_program(Memo())
    assert choice is not None, "spirv-val is not on PATH: install the package spirv-tools"
    return spirv_val.load(choice)


def test_the_wheel_is_preferred() -> None:
    choice = spirv_val.choose(Memo())
    backend = spirv_val.load(choice)
    assert isinstance(backend, spirv_val.InProcess)
    assert backend.description.startswith("SPIRV-Tools of the slangpy")
    assert choice.identity(Memo()).name == "spirv-val"


def test_valid_modules_pass(spirv: bytes, backend: spirv_val.Backend) -> None:
    spirv_val.validate(spirv, "double", backend)


def test_damaged_modules_are_refused_with_the_message(spirv: bytes, backend: spirv_val.Backend) -> None:
    capability = bytearray(spirv)
    capability[24] ^= 0xC0
    with pytest.raises(CompileError, match=r"double: invalid SPIR-V: error: line \d+: Invalid capability operand: 193"):
        spirv_val.validate(bytes(capability), "double", backend)
    with pytest.raises(CompileError, match="Missing OpFunctionEnd"):
        spirv_val.validate(spirv[:-4], "double", backend)
    with pytest.raises(CompileError, match="magic number"):
        spirv_val.validate(b"", "double", backend)
    with pytest.raises(CompileError, match="double: SPIR-V of 7 bytes"):
        spirv_val.validate(spirv[:7], "double", backend)


def test_what_the_validator_says_does_not_reach_the_terminal(
    spirv: bytes, backend: spirv_val.Backend, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CompileError):
        spirv_val.validate(spirv[:-4], "double", backend)
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "after")
