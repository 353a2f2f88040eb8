"""What an operation of a core's body asks of an AIE2 tile, before any lowering."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kernelrt.npu.jit.api import Mlir, Operation, Type, Value
from kernelrt.npu.jit.values import bits, defined_by, element, lanes

REGISTER_BITS = 512  # of a vector register, and of what one vector operation works on
_FREE = frozenset(
    [f"arith.{name}" for name in ("constant", "bitcast", "index_cast", "index_castui")]
    + [f"vector.{name}" for name in ("shape_cast", "bitcast", "extract")]
    + [f"memref.{name}" for name in ("cast", "subview", "reinterpret_cast", "dim", "collapse_shape", "expand_shape")]
    + [f"memref.{name}" for name in ("view", "get_global", "alloca", "assume_alignment", "memory_space_cast")]
)
_EXTENSIONS = ("arith.extf", "arith.extsi", "arith.extui")
_REARRANGING = ("vector.shape_cast", "vector.transpose", "vector.broadcast")
_LOADS = frozenset(["memref.load", "vector.load", "vector.transfer_read", "vector.maskedload", "vector.gather"])
_STORES = frozenset(["memref.store", "vector.store", "vector.transfer_write", "vector.maskedstore", "vector.scatter"])
_PRODUCTS = ("arith.mulf", "arith.muli")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one execution of a block, without the blocks inside of it.

    `macs`: multiplications, with the addition that they feed where that is one operation, by the dtype of the factors
    ("bf16", "i8", ..., before extension; "f32" products are emulated by several of bf16). `vector_ops`: other vector
    operations, in registers of 512 bits. `scalar_ops`: integer, address and control operations. `float_ops`:
    floating-point operations on scalars, which AIE2 does in software. `loads`, `stores`: accesses of at most 256 bits.
    """

    macs: Mapping[str, int]
    vector_ops: int
    scalar_ops: int
    float_ops: int
    loads: int
    stores: int
    load_bytes: int
    store_bytes: int

    @staticmethod
    def sum(costs: "list[Cost]") -> "Cost":
        macs: dict[str, int] = {}
        for cost in costs:
            for dtype, count in cost.macs.items():
                macs[dtype] = macs.get(dtype, 0) + count
        return Cost(
            MappingProxyType(macs),
            sum(cost.vector_ops for cost in costs),
            sum(cost.scalar_ops for cost in costs),
            sum(cost.float_ops for cost in costs),
            sum(cost.loads for cost in costs),
            sum(cost.stores for cost in costs),
            sum(cost.load_bytes for cost in costs),
            sum(cost.store_bytes for cost in costs),
        )


def cost_of(mlir: Mlir, operation: Operation) -> Cost:
    name = str(operation.name)
    if name in _LOADS:
        return _memory(loads=_bytes(mlir, operation.results[0].type))
    if name in _STORES:
        stored = operation.operands[-1 if name in ("vector.maskedstore", "vector.scatter") else 0]
        return _memory(stores=_bytes(mlir, stored.type))
    if name in _FREE or name.startswith(("func.", "cf.br", "scf.yield", "scf.for", "scf.condition")):
        return _count()
    types = [value.type for value in (*operation.operands, *operation.results)]
    vectors = [type_ for type_ in types if isinstance(type_, mlir.ir.VectorType)]
    if not vectors:
        floats = any(isinstance(type_, mlir.ir.FloatType) for type_ in types)
        return _count(float_ops=1) if floats else _count(scalar_ops=1)
    count = lanes(mlir, vectors[0])
    if name == "vector.contract":
        return _count(macs={_factor(mlir, operation.operands[0]): _iterations(mlir, operation)})
    if name == "vector.fma":
        return _count(macs={_factor(mlir, operation.operands[0]): count})
    if name == "vector.outerproduct":
        return _count(macs={_factor(mlir, operation.operands[0]): lanes(mlir, operation.results[0].type)})
    if name in _PRODUCTS:
        factors = [_factor(mlir, operand) for operand in operation.operands]
        return _count(macs={max(factors, key=lambda dtype: int(dtype.lstrip("bfisu"))): count})
    if name in _EXTENSIONS and _feeds_products(operation):
        return _count()  # the multiplier takes the narrow operand
    return _count(vector_ops=max(-(-bits(mlir, type_) // REGISTER_BITS) for type_ in vectors))


def _count(
    macs: Mapping[str, int] = MappingProxyType({}), vector_ops: int = 0, scalar_ops: int = 0, float_ops: int = 0
) -> Cost:
    return Cost(macs, vector_ops, scalar_ops, float_ops, 0, 0, 0, 0)


def _memory(loads: int = 0, stores: int = 0) -> Cost:
    return Cost(MappingProxyType({}), 0, 0, 0, -(-loads // 32), -(-stores // 32), loads, stores)


def _factor(mlir: Mlir, value: Value) -> str:
    """The dtype of a factor, before it was extended."""
    while operation := defined_by(mlir, value, *_EXTENSIONS, *_REARRANGING):
        value = operation.operands[0]
    return str(element(mlir, value.type))


def _feeds_products(operation: Operation) -> bool:
    users = [use.owner.operation.name for use in operation.results[0].uses]
    return bool(users) and all(user in (*_PRODUCTS, "vector.contract", "vector.fma") for user in users)


def _iterations(mlir: Mlir, contract: Operation) -> int:
    """The size of a vector.contract's whole iteration space."""
    maps = [attribute.value for attribute in contract.attributes["indexing_maps"]]
    sizes: dict[int, int] = {}
    for operand, map_ in zip(list(contract.operands)[:2], maps, strict=False):
        for size, result in zip(operand.type.shape, map_.results, strict=True):
            sizes[int(result.position)] = int(size)
    return math.prod(sizes.values())


def _bytes(mlir: Mlir, type_: Type) -> int:
    return max(1, bits(mlir, type_) // 8)
