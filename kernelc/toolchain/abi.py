"""Whether a compiled module is what its family declared: bindings, constants, workgroup, device features."""

from kernelc.kernel import ELEMENT_BYTES, Binding, KernelSpec
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.reflect import ReflectedBinding, ReflectedConstant, Reflection, reflect
from kernelc.toolchain.spirv import SpirvError
from kernelc.toolchain.spirv_names import CAPABILITIES

# The others of the vocabulary are of pipelines, and leave no trace in a module.
_SHADER_FEATURES = {feature for _, features in CAPABILITIES.values() for feature in features or ()}
_ACCESS = {"r": "read-only", "w": "write-only", "rw": "read and written"}


def check_abi(spec: KernelSpec, spirv: bytes) -> Reflection:
    """Compares the module with the family's declaration and gives what was read from it.

    Raises CompileError naming the first difference in bindings, specialization constants or workgroup size, or where
    the module cannot be read.
    """
    try:
        found = reflect(spirv)
    except SpirvError as error:
        raise CompileError(spec.name, f"its module cannot be read: {error}") from error
    _check_bindings(spec, found)
    _check_constants(spec, found)
    _check_workgroup(spec, found)
    return found


def check_features(spec: KernelSpec, found: Reflection) -> None:
    """Raises CompileError where the module has a capability that no required feature allows, or uses none that a
    required feature is for: a kernel that asks for more than it uses is not run where it could be.
    """
    used: set[str] = set()
    for capability in sorted(found.capabilities):
        name, features = CAPABILITIES.get(capability, (f"SPIR-V capability {capability}", None))
        if features is None:
            raise CompileError(spec.name, f"the shader uses {name}, which no feature of a target allows")
        if features and not set(features) & set(spec.requires):
            raise CompileError(spec.name, f"the shader uses {name}; its family must require {' or '.join(features)}")
        used.update(features)
    for feature in sorted(_SHADER_FEATURES & set(spec.requires) - used):
        raise CompileError(spec.name, f"its family requires {feature}; the shader uses no capability of it")


def check_limits(spec: KernelSpec, found: Reflection, shared_memory: int, max_workgroup: int) -> None:
    """Raises CompileError where a workgroup has more invocations or shared memory (bytes) than the device's."""
    if spec.workgroup > max_workgroup:
        raise CompileError(spec.name, f"a workgroup of {spec.workgroup}; the device has {max_workgroup} at most")
    if found.shared_bytes > shared_memory:
        raise CompileError(
            spec.name, f"{found.shared_bytes} bytes of shared memory a workgroup; the device has {shared_memory}"
        )


def _check_bindings(spec: KernelSpec, found: Reflection) -> None:
    declared = len(spec.bindings)
    for reflected in found.bindings:
        if reflected.descriptor_set != 0:
            where = f"set {reflected.descriptor_set}, binding {reflected.number}"
            raise CompileError(spec.name, f"the shader has {where}; the ABI knows set 0 alone")
    numbers = [reflected.number for reflected in found.bindings]
    for number in numbers:
        if number >= declared:
            raise CompileError(spec.name, f"the shader has binding {number}; its family declares {declared} bindings")
        if numbers.count(number) > 1:
            raise CompileError(spec.name, f"the shader declares binding {number} more than once")
    for number, binding in enumerate(spec.bindings):
        if number not in numbers:
            raise CompileError(spec.name, f"binding {number} ({binding.name}) is declared and not in the shader")
        _check_binding(spec, number, binding, found.bindings[numbers.index(number)])


def _check_binding(spec: KernelSpec, number: int, binding: Binding, reflected: ReflectedBinding) -> None:
    where = f"binding {number} ({binding.name})"
    if reflected.kind != "storage buffer":
        raise CompileError(spec.name, f"{where} is a {reflected.kind}; the ABI knows storage buffers alone")
    expected = "r" if binding.dtype == "params" else spec.declared(binding)
    if reflected.access != expected:
        raise CompileError(
            spec.name, f"{where} is {_ACCESS[reflected.access]} in the shader, {_ACCESS[expected]} by declaration"
        )
    if binding.dtype not in ELEMENT_BYTES:
        raise CompileError(spec.name, f"{where} has the unknown dtype {binding.dtype}")
    dtype, stride = ("struct", 0) if binding.dtype == "params" else (binding.dtype, ELEMENT_BYTES[binding.dtype])
    if (reflected.dtype, reflected.stride) != (dtype, stride):
        raise CompileError(
            spec.name,
            f"{where} has elements {reflected.dtype}, {reflected.stride} bytes apart, in the shader; "
            f"{dtype}, {stride} bytes, by declaration",
        )


def _check_constants(spec: KernelSpec, found: Reflection) -> None:
    declared = {0: ("WORKGROUP", spec.workgroup)}
    declared |= {number: (constant.name, constant.value) for number, constant in enumerate(spec.constants, 1)}
    for constant in found.constants:
        _check_constant(spec, constant, declared.get(constant.id))


def _check_constant(spec: KernelSpec, constant: ReflectedConstant, declared: tuple[str, int] | None) -> None:
    where = f"specialization constant {constant.id}" + (f" ({constant.name})" if constant.name else "")
    if declared is None:
        raise CompileError(spec.name, f"{where} is in the shader and not declared")
    name, value = declared
    if constant.name and constant.name != name:
        raise CompileError(spec.name, f"{where} is {name} by declaration")
    if constant.default != value:
        raise CompileError(spec.name, f"{where} is {constant.default} in the shader, {value} by declaration")


def _check_workgroup(spec: KernelSpec, found: Reflection) -> None:
    x, y, z = found.local_size
    if (x.size, y.size, z.size) != (spec.workgroup, 1, 1) or x.constant not in (None, 0):
        size = f"{x.size}x{y.size}x{z.size}"
        raise CompileError(spec.name, f"the shader's workgroup is {size}, by declaration {spec.workgroup}x1x1")
