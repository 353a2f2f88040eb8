"""The build's check of a module against its family's declaration: each thing broken once."""

from dataclasses import replace

import pytest

from kernelc.kernel import Binding, Constant, Dim, KernelSpec, Work
from kernelc.toolchain.abi import check_abi, check_features
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.glslang import compile

# Buffers that are not used are kept by the compiler, so that each can be changed alone.
_SHADER = """#version 460
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 64, local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64u;
layout(constant_id = 1) const uint ROWS = 4u;
layout(constant_id = 2) const uint LANES = 8u;
struct Params { uint position; float scale; };
layout(set = 0, binding = 0, std430) readonly buffer X { f16vec4 x[]; };
layout(set = 0, binding = 1, std430) readonly buffer P { Params p; };
layout(set = 0, binding = 2, std430) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 3, std430) buffer Z { uvec4 z[]; };
void main() { y[gl_GlobalInvocationID.x] = subgroupAdd(1.0); }
"""
_SPEC = KernelSpec(
    name="k",
    family="f",
    params=(),
    bindings=(
        Binding("x", "f16x4", (8,)),
        Binding("p", "params", ()),
        Binding("y", "f32", (64,), "w"),
        Binding("z", "u32x4", (1,), "rw"),
    ),
    workgroup=64,
    grid=(Dim(), Dim(), Dim()),
    work=Work(1, 0, 0, 0),
    constants=(Constant("ROWS", 4), Constant("LANES", 8)),
    requires=("storage16", "subgroup"),
)


def test_a_module_as_declared_passes_and_is_given() -> None:
    found = check_abi(_SPEC, compile(_SHADER, "k"))
    assert [binding.access for binding in found.bindings] == ["r", "r", "w", "rw"]
    check_features(_SPEC, found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("readonly buffer X", "buffer X", r"binding 0 \(x\) is read and written in the shader, read-only by decl"),
        ("readonly buffer X", "writeonly buffer X", r"binding 0 \(x\) is write-only in the shader"),
        ("readonly buffer P", "buffer P", r"binding 1 \(p\) is read and written in the shader, read-only"),
        ("writeonly buffer Y", "buffer Y", r"binding 2 \(y\) is read and written in the shader, write-only"),
        ("buffer Z", "readonly buffer Z", r"binding 3 \(z\) is read-only in the shader, read and written"),
        ("f16vec4 x", "f16vec2 x", r"binding 0 \(x\) has elements f16x2, 4 bytes apart, in the shader; f16x4, 8 bytes"),
        ("f16vec4 x", "vec4 x", r"binding 0 \(x\) has elements f32x4, 16 bytes apart"),
        ("f16vec4 x", "uvec2 x", r"binding 0 \(x\) has elements u32x2, 8 bytes apart"),
        ("uvec4 z", "ivec4 z", r"binding 3 \(z\) has elements i32x4, 16 bytes apart"),
        ("float y[]", "float y[64]", r"binding 2 \(y\) has elements struct, 0 bytes apart"),
        ("Params p;", "uint p[];", r"binding 1 \(p\) has elements u32, 4 bytes apart, in the shader; struct, 0 bytes"),
        ("set = 0, binding = 3", "set = 2, binding = 3", r"the shader has set 2, binding 3; the ABI knows set 0 alone"),
        ("binding = 3", "binding = 4", r"the shader has binding 4; its family declares 4 bindings"),
        ("binding = 3", "binding = 2", r"the shader declares binding 2 more than once"),
        (
            "constant_id = 2",
            "constant_id = 3",
            r"specialization constant 3 \(LANES\) is in the shader and not declared",
        ),
        ("const uint LANES", "const uint COLS", r"specialization constant 2 \(COLS\) is LANES by declaration"),
        ("ROWS = 4u", "ROWS = 5u", r"specialization constant 1 \(ROWS\) is 5 in the shader, 4 by declaration"),
        ("WORKGROUP = 64u", "WORKGROUP = 32u", r"constant 0 \(WORKGROUP\) is 32 in the shader, 64 by declaration"),
        ("local_size_x = 64,", "local_size_x = 32,", r"the shader's workgroup is 32x1x1, by declaration 64x1x1"),
        ("local_size_x = 64,", "local_size_x = 64, local_size_y = 2,", r"workgroup is 64x2x1, by declaration 64x1x1"),
        ("local_size_x = 64,", "", r"the shader's workgroup is 1x1x1, by declaration 64x1x1"),
    ],
)
def test_each_difference_is_named(old: str, new: str, message: str) -> None:
    assert old in _SHADER
    with pytest.raises(CompileError, match="^k: .*" + message):
        check_abi(_SPEC, compile(_SHADER.replace(old, new), "k"))


def test_a_uniform_buffer_is_refused() -> None:
    uniform = _SHADER.replace("std430) readonly buffer P", "std140) uniform P")
    with pytest.raises(CompileError, match=r"binding 1 \(p\) is a uniform buffer; the ABI knows storage buffers alone"):
        check_abi(_SPEC, compile(uniform, "k"))


def test_a_declared_binding_that_the_shader_lacks_is_named() -> None:
    more = replace(_SPEC, bindings=(*_SPEC.bindings, Binding("extra", "f32", (1,))))
    with pytest.raises(CompileError, match=r"k: binding 4 \(extra\) is declared and not in the shader"):
        check_abi(more, compile(_SHADER, "k"))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("subgroup", "the shader uses GroupNonUniform; its family must require subgroup"),
        ("storage16", "the shader uses StorageBuffer16BitAccess; its family must require storage16"),
    ],
)
def test_a_feature_that_is_used_and_not_required_is_named(missing: str, message: str) -> None:
    less = replace(_SPEC, requires=tuple(name for name in _SPEC.requires if name != missing))
    with pytest.raises(CompileError, match=message):
        check_features(less, check_abi(less, compile(_SHADER, "k")))


@pytest.mark.parametrize("more", ["float16", "int8", "storage8", "integer_dot", "coopmat_f16", "memory_model"])
def test_a_feature_that_is_required_and_not_used_is_named(more: str) -> None:
    found = check_abi(_SPEC, compile(_SHADER, "k"))
    with pytest.raises(CompileError, match=f"k: its family requires {more}; the shader uses no capability of it"):
        check_features(replace(_SPEC, requires=(*_SPEC.requires, more)), found)
    check_features(replace(_SPEC, requires=(*_SPEC.requires, "subgroup_size_control")), found)


def test_either_kind_of_matrix_gives_the_capability() -> None:
    source = """#version 460
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) buffer X { float x[]; };
void main() {
  coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> m;
  coopMatLoad(m, x, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
  coopMatStore(m, x, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
}
"""
    spec = replace(_SPEC, bindings=(Binding("x", "f32", (256,), "rw"),), constants=())
    found = check_abi(spec, compile(source, "k"))
    for feature in ("coopmat_f16", "coopmat_bf16"):
        check_features(replace(spec, requires=(feature, "memory_model")), found)
    with pytest.raises(CompileError, match="must require coopmat_f16 or coopmat_bf16"):
        check_features(replace(spec, requires=("memory_model",)), found)
