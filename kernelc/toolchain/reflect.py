"""What a SPIR-V compute module asks of the outside, read from the module itself."""

from dataclasses import dataclass
from typing import Literal

from kernelc.toolchain.spirv import Module, SpirvError, parse

Access = Literal["r", "w", "rw"]

_BUILTIN_WORKGROUP_SIZE = 25
_STORAGE_CLASSES = {2: "uniform buffer", 12: "storage buffer"}
_WORKGROUP_STORAGE = 4


@dataclass(frozen=True, slots=True)
class ReflectedBinding:
    """A buffer of the module: `dtype` as kernelrt.abi.ELEMENT_BYTES writes it ("struct" for a block without a run-
    time array), `stride` bytes from one element to the next (0 for a struct).
    """

    descriptor_set: int
    number: int
    kind: str
    access: Access
    dtype: str
    stride: int


@dataclass(frozen=True, slots=True)
class ReflectedConstant:
    """A specialization constant; `name` is empty where the module does not tell it."""

    id: int
    name: str
    default: int | float | bool


@dataclass(frozen=True, slots=True)
class LocalSize:
    """One dimension of the workgroup: its size, and the specialization id that sets it (None where it is fixed)."""

    size: int
    constant: int | None


@dataclass(frozen=True, slots=True)
class Reflection:
    """`capabilities` are SPIR-V's numbers (kernelc.toolchain.spirv_names); `shared_bytes` counts the workgroup's shared
    variables, with the constants at their defaults and without the driver's padding."""

    version: tuple[int, int]
    capabilities: frozenset[int]
    bindings: tuple[ReflectedBinding, ...]
    constants: tuple[ReflectedConstant, ...]
    local_size: tuple[LocalSize, LocalSize, LocalSize]
    shared_bytes: int


def reflect(spirv: bytes) -> Reflection:
    """Reads a module of one compute entry point. Raises SpirvError where the module is damaged or no such."""
    module = parse(spirv)
    try:
        return Reflection(
            module.version,
            frozenset(module.capabilities),
            _bindings(module),
            _constants(module),
            _local_size(module),
            sum(module.size(module.pointee(v.type)) for v in module.variables if v.storage == _WORKGROUP_STORAGE),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise SpirvError(f"the module refers to what it does not declare: {error}") from error


def _bindings(module: Module) -> tuple[ReflectedBinding, ...]:
    found: list[ReflectedBinding] = []
    for variable in module.variables:
        decorations = module.decorations.get(variable.id, {})
        if "Binding" not in decorations:
            continue
        block = module.pointee(variable.type)
        dtype, stride = _element(module, block)
        found.append(
            ReflectedBinding(
                decorations.get("DescriptorSet", 0),
                decorations["Binding"],
                _STORAGE_CLASSES.get(variable.storage, f"storage class {variable.storage}"),
                _access(module, variable.id, block),
                dtype,
                stride,
            )
        )
    return tuple(sorted(found, key=lambda binding: (binding.descriptor_set, binding.number)))


def _access(module: Module, variable: int, block: int) -> Access:
    """A qualifier of a buffer is written on the variable, or on every member of its block."""
    kind = module.types.get(block)
    members = len(kind.operands) if kind is not None and kind.name == "struct" else 0

    def has(name: str) -> bool:
        everywhere = members > 0 and all(name in module.members.get((block, i), {}) for i in range(members))
        return name in module.decorations.get(variable, {}) or everywhere

    if has("NonWritable"):
        return "r"
    return "w" if has("NonReadable") else "rw"


def _element(module: Module, block: int) -> tuple[str, int]:
    """dtype and stride of the run-time array that a block consists of; ("struct", 0) for any other block."""
    kind = module.types.get(block)
    if kind is None or kind.name != "struct" or len(kind.operands) != 1:
        return "struct", 0
    array = module.types[kind.operands[0]]
    if array.name != "runtime_array":
        return "struct", 0
    return module.dtype(array.operands[0]), module.decorations.get(array.id, {}).get("ArrayStride", 0)


def _constants(module: Module) -> tuple[ReflectedConstant, ...]:
    """By id; where several share one (the workgroup size does), the one with a name."""
    found: dict[int, ReflectedConstant] = {}
    for result, default in module.values.items():
        number = module.decorations.get(result, {}).get("SpecId")
        if number is not None and not (number in found and found[number].name):
            found[number] = ReflectedConstant(number, module.names.get(result, ""), default)
    return tuple(found[number] for number in sorted(found))


def _local_size(module: Module) -> tuple[LocalSize, LocalSize, LocalSize]:
    def by_id(result: int) -> LocalSize:
        return LocalSize(module.integer(result), module.decorations.get(result, {}).get("SpecId"))

    for result, decorations in module.decorations.items():
        if decorations.get("BuiltIn") == _BUILTIN_WORKGROUP_SIZE and result in module.composites:
            x, y, z = module.composites[result]
            return by_id(x), by_id(y), by_id(z)
    if module.local_size_ids is not None:
        x, y, z = module.local_size_ids
        return by_id(x), by_id(y), by_id(z)
    if module.local_size is None:
        raise SpirvError("the module has no workgroup size")
    x, y, z = module.local_size
    return LocalSize(x, None), LocalSize(y, None), LocalSize(z, None)
