"""Reading a module's interface."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelc.toolchain.glslang import compile
from kernelc.toolchain.reflect import (
    LocalSize,
    ReflectedBinding,
    ReflectedConstant,
    Reflection,
    reflect,
)
from kernelc.toolchain.spirv import SpirvError
from kernelc.toolchain.spirv_names import CAPABILITIES

_SHADER = """#version 460
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_bfloat16 : require
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 64, local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64u;
layout(constant_id = 1) const uint ROWS = 4u;
layout(constant_id = 5) const int SHIFT = -3;
layout(constant_id = 7) const float SCALE = 0.5;
layout(constant_id = 9) const bool FLAG = true;
struct Params { uint position; float scale; };
layout(set = 0, binding = 0, std430) readonly buffer P { Params params; };
layout(set = 0, binding = 3, std430) readonly buffer A { f16vec4 a[]; };
layout(set = 0, binding = 1, std430) writeonly buffer B { vec4 b[]; };
layout(set = 0, binding = 2, std430) buffer C { uvec2 c[]; };
layout(set = 0, binding = 4, std430) buffer D { bfloat16_t d[]; };
layout(set = 0, binding = 5, std430) readonly buffer E { int8_t e[]; };
layout(set = 0, binding = 6, std430) readonly buffer F { uint16_t f[]; };
layout(set = 1, binding = 0, std430) readonly buffer G { double g[]; };
shared float tile[ROWS * 32 + 1];
shared f16vec2 halves[(WORKGROUP / 32u) << 1];
shared uint chosen[FLAG ? 5 : 3];
shared int bare;
void main() {
  tile[gl_LocalInvocationIndex] = float(a[0].x) + float(e[0]) + float(f[0]) + float(g[0]) + SCALE;
  barrier();
  halves[0] = f16vec2(0.0);
  bare = SHIFT;
  chosen[0] = ROWS;
  b[0] = vec4(subgroupAdd(tile[params.position]));
  c[0] += uvec2(1);
  d[0] = bfloat16_t(1.0);
}
"""


@pytest.fixture(scope="module")
def spirv() -> bytes:
    return compile(_SHADER, "all")


def test_bindings_with_access_dtype_and_stride(spirv: bytes) -> None:
    kind = "storage buffer"
    assert reflect(spirv).bindings == (
        ReflectedBinding(0, 0, kind, "r", "struct", 0),
        ReflectedBinding(0, 1, kind, "w", "f32x4", 16),
        ReflectedBinding(0, 2, kind, "rw", "u32x2", 8),
        ReflectedBinding(0, 3, kind, "r", "f16x4", 8),
        ReflectedBinding(0, 4, kind, "rw", "bf16", 2),
        ReflectedBinding(0, 5, kind, "r", "i8", 1),
        ReflectedBinding(0, 6, kind, "r", "u16", 2),
        ReflectedBinding(1, 0, kind, "r", "f64", 8),
    )


def test_constants_with_names_and_defaults(spirv: bytes) -> None:
    assert reflect(spirv).constants == (
        ReflectedConstant(0, "WORKGROUP", 64),
        ReflectedConstant(1, "ROWS", 4),
        ReflectedConstant(5, "SHIFT", -3),
        ReflectedConstant(7, "SCALE", 0.5),
        ReflectedConstant(9, "FLAG", True),
    )


def test_local_size_with_its_constant(spirv: bytes) -> None:
    assert reflect(spirv).local_size == (LocalSize(64, 0), LocalSize(1, None), LocalSize(1, None))
    fixed = "#version 460\nlayout(local_size_x = 8, local_size_y = 4) in;\nvoid main() {}\n"
    assert reflect(compile(fixed, "fixed")).local_size == (LocalSize(8, None), LocalSize(4, None), LocalSize(1, None))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", 4 * 129 + 4 * 4 + 4 * 5 + 4),  # tile, halves, chosen, bare
        ("ROWS = 4u", "ROWS = 10u", 4 * 321 + 4 * 4 + 4 * 5 + 4),
        ("WORKGROUP = 64u", "WORKGROUP = 256u", 4 * 129 + 4 * 16 + 4 * 5 + 4),
        ("FLAG = true", "FLAG = false", 4 * 129 + 4 * 4 + 4 * 3 + 4),
    ],
)
def test_shared_memory_follows_the_constants(old: str, new: str, expected: int) -> None:
    assert old in _SHADER
    assert reflect(compile(_SHADER.replace(old, new), "all")).shared_bytes == expected


def test_capabilities_and_version(spirv: bytes) -> None:
    found = reflect(spirv)
    assert found.version == (1, 6)
    names = {CAPABILITIES[number][0] for number in found.capabilities}
    assert names >= {"Shader", "StorageBuffer16BitAccess", "StorageBuffer8BitAccess", "GroupNonUniformArithmetic"}
    assert "CooperativeMatrixKHR" not in names


@pytest.mark.parametrize(
    ("spirv", "message"),
    [
        (b"", "0 bytes"),
        (b"\x03\x02\x23\x07" * 5 + b"\0", "21 bytes"),
        (b"\x07\x23\x02\x03" * 5, "it begins with 0x03022307"),
        (b"\x03\x02\x23\x07" + bytes(16), "no workgroup size"),
        (b"\x03\x02\x23\x07" + bytes(16) + bytes(4), "an instruction of 0 words"),
        (b"\x03\x02\x23\x07" + bytes(16) + b"\x11\x00\x09\x00", "an instruction of 9 words"),
    ],
)
def test_what_is_no_module_is_refused(spirv: bytes, message: str) -> None:
    with pytest.raises(SpirvError, match=message):
        reflect(spirv)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_module_is_refused_or_read_and_nothing_else(spirv: bytes, data: st.DataObject) -> None:
    damaged = bytearray(spirv)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(20, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    # Any other exception than this fails the test.
    with contextlib.suppress(SpirvError):
        assert isinstance(reflect(bytes(damaged)), Reflection)
