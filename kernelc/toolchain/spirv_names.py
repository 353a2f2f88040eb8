"""The numbers of the SPIR-V specification (unified1) that the reader needs."""

from collections.abc import Callable, Mapping
from typing import Final


class Op:
    """Opcodes, and the two execution modes of a workgroup's size."""

    NAME: Final = 5
    EXECUTION_MODE: Final = 16
    CAPABILITY: Final = 17
    CONSTANT_TRUE: Final = 41
    CONSTANT_FALSE: Final = 42
    CONSTANT: Final = 43
    CONSTANT_COMPOSITE: Final = 44
    SPEC_CONSTANT_TRUE: Final = 48
    SPEC_CONSTANT_FALSE: Final = 49
    SPEC_CONSTANT: Final = 50
    SPEC_CONSTANT_COMPOSITE: Final = 51
    SPEC_CONSTANT_OP: Final = 52
    FUNCTION: Final = 54
    VARIABLE: Final = 59
    DECORATE: Final = 71
    MEMBER_DECORATE: Final = 72
    EXECUTION_MODE_ID: Final = 331
    MODE_LOCAL_SIZE: Final = 17
    MODE_LOCAL_SIZE_ID: Final = 38


BRAIN_FLOAT: Final = 0  # FPEncoding BFloat16KHR

DECORATIONS: Mapping[int, str] = {
    1: "SpecId",
    2: "Block",
    6: "ArrayStride",
    11: "BuiltIn",
    24: "NonWritable",
    25: "NonReadable",
    33: "Binding",
    34: "DescriptorSet",
    35: "Offset",
}

# Capability -> its name, and the features (kernelrt.gpu.features) any one of which allows it: () where every Vulkan 1.3
# device has it, None where the vocabulary has no word for it. No kernel may use those, nor any that is not here.
CAPABILITIES: Mapping[int, tuple[str, tuple[str, ...] | None]] = {
    0: ("Matrix", ()),
    1: ("Shader", ()),
    9: ("Float16", ("float16",)),
    10: ("Float64", None),
    11: ("Int64", None),
    12: ("Int64Atomics", None),
    22: ("Int16", None),
    39: ("Int8", ("int8",)),
    61: ("GroupNonUniform", ("subgroup",)),
    62: ("GroupNonUniformVote", ("subgroup",)),
    63: ("GroupNonUniformArithmetic", ("subgroup",)),
    64: ("GroupNonUniformBallot", ("subgroup",)),
    65: ("GroupNonUniformShuffle", ("subgroup",)),
    66: ("GroupNonUniformShuffleRelative", None),
    67: ("GroupNonUniformClustered", ("subgroup",)),
    68: ("GroupNonUniformQuad", None),
    4433: ("StorageBuffer16BitAccess", ("storage16",)),
    4434: ("UniformAndStorageBuffer16BitAccess", None),
    4448: ("StorageBuffer8BitAccess", ("storage8",)),
    4449: ("UniformAndStorageBuffer8BitAccess", None),
    5116: ("BFloat16TypeKHR", ("bfloat16",)),
    5117: ("BFloat16DotProductKHR", None),
    5118: ("BFloat16CooperativeMatrixKHR", ("coopmat_bf16",)),
    5345: ("VulkanMemoryModel", ("memory_model",)),
    5346: ("VulkanMemoryModelDeviceScope", ("memory_model",)),
    5347: ("PhysicalStorageBufferAddresses", None),
    6016: ("DotProductInputAll", ("integer_dot",)),
    6017: ("DotProductInput4x8Bit", ("integer_dot",)),
    6018: ("DotProductInput4x8BitPacked", ("integer_dot",)),
    6019: ("DotProduct", ("integer_dot",)),
    6022: ("CooperativeMatrixKHR", ("coopmat_f16", "coopmat_bf16")),
}


def _quotient(a: int, b: int) -> int:
    """Division towards zero, as SPIR-V divides; by zero it is undefined there, and zero here."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else 0


# Opcodes inside OpSpecConstantOp, on integers and booleans.
SELECT: Final = 169
UNARY: Mapping[int, Callable[[int], int]] = {
    126: lambda a: -a,
    168: lambda a: not a,
    200: lambda a: ~a,
}
BINARY: Mapping[int, Callable[[int, int], int]] = {
    128: lambda a, b: a + b,
    130: lambda a, b: a - b,
    132: lambda a, b: a * b,
    134: _quotient,
    135: _quotient,
    137: lambda a, b: a % b if b else 0,
    164: lambda a, b: a == b,
    165: lambda a, b: a != b,
    166: lambda a, b: a or b,
    167: lambda a, b: a and b,
    170: lambda a, b: a == b,
    171: lambda a, b: a != b,
    172: lambda a, b: a > b,
    173: lambda a, b: a > b,
    174: lambda a, b: a >= b,
    175: lambda a, b: a >= b,
    176: lambda a, b: a < b,
    177: lambda a, b: a < b,
    178: lambda a, b: a <= b,
    179: lambda a, b: a <= b,
    # A shift by the width or more is undefined in SPIR-V.
    194: lambda a, b: a >> (b & 63),
    195: lambda a, b: a >> (b & 63),
    196: lambda a, b: a << (b & 63),
    197: lambda a, b: a | b,
    198: lambda a, b: a ^ b,
    199: lambda a, b: a & b,
}
