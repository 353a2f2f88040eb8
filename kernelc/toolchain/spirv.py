"""A reader of SPIR-V modules: the declarations before the first function, as plain data."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from kernelc.errors import KernelcError
from kernelc.toolchain.spirv_names import BINARY, BRAIN_FLOAT, DECORATIONS, SELECT, UNARY, Op

_MAGIC = 0x07230203
Number = int | float | bool


class SpirvError(KernelcError):
    """A SPIR-V module that cannot be read."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type: `name` and the operands after the result id (widths, counts or the ids of other types)."""

    id: int
    name: str
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    id: int
    type: int
    storage: int


@dataclass(slots=True)
class Module:
    """The declarations of a module by result id; `values` are those of its constants."""

    version: tuple[int, int]
    capabilities: set[int] = field(default_factory=set[int])
    names: dict[int, str] = field(default_factory=dict[int, str])
    decorations: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    members: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict[tuple[int, int], dict[str, int]])
    types: dict[int, Type] = field(default_factory=dict[int, Type])
    variables: list[Variable] = field(default_factory=list[Variable])
    values: dict[int, Number] = field(default_factory=dict[int, Number])
    composites: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    local_size: tuple[int, ...] | None = None
    local_size_ids: tuple[int, ...] | None = None

    def pointee(self, pointer: int) -> int:
        """The type that a pointer type points to."""
        return self.types[pointer].operands[1]

    def integer(self, result: int) -> int:
        """The value of an integer constant."""
        if result not in self.values:
            raise SpirvError(f"the constant %{result} cannot be evaluated")
        return int(self.values[result])

    def dtype(self, result: int) -> str:
        """A scalar or vector type as kernelrt.abi.ELEMENT_BYTES writes it: "f16x4"."""
        kind = self.types[result]
        if kind.name == "float":
            return f"{'bf' if _brain(kind) else 'f'}{kind.operands[0]}"
        if kind.name == "int":
            return f"{'i' if kind.operands[1] else 'u'}{kind.operands[0]}"
        if kind.name == "vector":
            return f"{self.dtype(kind.operands[0])}x{kind.operands[1]}"
        return kind.name

    def size(self, result: int) -> int:
        """Bytes of a type without padding; a bool counts as four."""
        kind = self.types[result]
        if kind.name in ("int", "float"):
            return kind.operands[0] // 8
        if kind.name == "bool":
            return 4
        if kind.name in ("vector", "matrix"):
            return kind.operands[1] * self.size(kind.operands[0])
        if kind.name == "array":
            return self.integer(kind.operands[1]) * self.size(kind.operands[0])
        if kind.name == "struct":
            return sum(self.size(member) for member in kind.operands)
        raise SpirvError(f"a type without a size: {kind.name}")


def parse(spirv: bytes) -> Module:
    """Reads the declarations. Raises SpirvError for a damaged module."""
    if len(spirv) < 20 or len(spirv) % 4:
        raise SpirvError(f"not a SPIR-V module: {len(spirv)} bytes")
    words: Sequence[int] = struct.unpack(f"<{len(spirv) // 4}I", spirv)
    if words[0] != _MAGIC:
        raise SpirvError(f"not a SPIR-V module: it begins with {words[0]:#010x}")
    module = Module((words[1] >> 16 & 0xFF, words[1] >> 8 & 0xFF))
    at = 5
    while at < len(words):
        count, opcode = words[at] >> 16, words[at] & 0xFFFF
        if not count or at + count > len(words):
            raise SpirvError(f"word {at} of the module: an instruction of {count} words")
        operands = words[at + 1 : at + count]
        at += count
        if opcode == Op.FUNCTION:
            break
        try:
            _declare(module, opcode, operands)
        except (IndexError, KeyError, struct.error) as error:
            raise SpirvError(f"word {at - count} of the module: bad operands of opcode {opcode}") from error
    return module


_TYPES = {
    19: "void",
    20: "bool",
    21: "int",
    22: "float",
    23: "vector",
    24: "matrix",
    28: "array",
    29: "runtime_array",
    30: "struct",
    32: "pointer",
    4456: "cooperative_matrix",
}
_CONTAINERS = ("vector", "matrix", "array", "runtime_array")


def _declare(module: Module, opcode: int, operands: Sequence[int]) -> None:
    """Takes up one instruction; those that say nothing about the interface are passed over."""
    if opcode == Op.CAPABILITY:
        module.capabilities.add(operands[0])
    elif opcode == Op.NAME:
        module.names[operands[0]] = _text(operands[1:])
    elif opcode == Op.DECORATE:
        _decorate(module.decorations.setdefault(operands[0], {}), operands[1:])
    elif opcode == Op.MEMBER_DECORATE:
        _decorate(module.members.setdefault((operands[0], operands[1]), {}), operands[2:])
    elif opcode in _TYPES:
        _type(module, Type(operands[0], _TYPES[opcode], tuple(operands[1:])))
    elif opcode == Op.VARIABLE:
        module.variables.append(Variable(operands[1], operands[0], operands[2]))
    elif opcode == Op.EXECUTION_MODE and operands[1] == Op.MODE_LOCAL_SIZE:
        module.local_size = tuple(operands[2:5])
    elif opcode == Op.EXECUTION_MODE_ID and operands[1] == Op.MODE_LOCAL_SIZE_ID:
        module.local_size_ids = tuple(operands[2:5])
    elif opcode in (Op.CONSTANT, Op.SPEC_CONSTANT):
        module.values[operands[1]] = _number(module.types[operands[0]], operands[2:])
    elif opcode in (Op.CONSTANT_TRUE, Op.CONSTANT_FALSE, Op.SPEC_CONSTANT_TRUE, Op.SPEC_CONSTANT_FALSE):
        module.values[operands[1]] = opcode in (Op.CONSTANT_TRUE, Op.SPEC_CONSTANT_TRUE)
    elif opcode in (Op.CONSTANT_COMPOSITE, Op.SPEC_CONSTANT_COMPOSITE):
        module.composites[operands[1]] = tuple(operands[2:])
    elif opcode == Op.SPEC_CONSTANT_OP:
        _fold(module, operands)


def _type(module: Module, kind: Type) -> None:
    """Takes up a type whose parts are known, so that no type contains itself."""
    parts = kind.operands if kind.name == "struct" else kind.operands[:1] if kind.name in _CONTAINERS else ()
    if kind.id in module.types or any(part not in module.types for part in parts):
        raise SpirvError(f"the type %{kind.id} is declared twice, or of parts that are not declared before it")
    module.types[kind.id] = kind


def _decorate(into: dict[str, int], operands: Sequence[int]) -> None:
    name = DECORATIONS.get(operands[0])
    if name is not None:
        into[name] = operands[1] if len(operands) > 1 else 1


def _brain(kind: Type) -> bool:
    """Whether a float type says that it is bfloat16."""
    return kind.operands[1:2] == (BRAIN_FLOAT,)


def _number(kind: Type, words: Sequence[int]) -> Number:
    """A literal: 16-bit and smaller ones fill a word, 64-bit ones two."""
    raw = struct.pack(f"<{len(words)}I", *words)
    width = kind.operands[0]
    if kind.name == "float":
        if _brain(kind):
            return float(struct.unpack("<f", b"\0\0" + raw[:2])[0])
        return float(struct.unpack({16: "<e", 32: "<f", 64: "<d"}[width], raw[: width // 8])[0])
    return int.from_bytes(raw[: width // 8], "little", signed=bool(kind.operands[1]))


def _fold(module: Module, operands: Sequence[int]) -> None:
    """Evaluates an operation on constants; an unknown one stays without a value, and asking for it is an error."""
    kind, result, opcode = module.types[operands[0]], operands[1], operands[2]
    if not all(argument in module.values for argument in operands[3:]):
        return
    values = [int(module.values[argument]) for argument in operands[3:]]
    if opcode in BINARY:
        value = BINARY[opcode](values[0], values[1])
    elif opcode in UNARY:
        value = UNARY[opcode](values[0])
    elif opcode == SELECT:
        value = values[1] if values[0] else values[2]
    else:
        return
    if kind.name == "int":
        # Integers wrap at their width.
        bits, signed = kind.operands[0], kind.operands[1]
        value &= (1 << bits) - 1
        value -= (1 << bits) if signed and value >> (bits - 1) else 0
    module.values[result] = value


def _text(words: Sequence[int]) -> str:
    return struct.pack(f"<{len(words)}I", *words).split(b"\0", 1)[0].decode("utf-8", "replace")
