"""Small pieces of MLIR that several rewrites need."""

import math

from kernelrt.npu.jit.api import Mlir, Operation, Type, Value


def element(mlir: Mlir, type_: Type) -> Type:
    """Of a vector type; a scalar type itself."""
    return type_.element_type if isinstance(type_, mlir.ir.VectorType) else type_


def shape(mlir: Mlir, type_: Type) -> tuple[int, ...]:
    """Of a vector type; () for a scalar type."""
    return tuple(int(n) for n in type_.shape) if isinstance(type_, mlir.ir.VectorType) else ()


def lanes(mlir: Mlir, type_: Type) -> int:
    return math.prod(shape(mlir, type_))


def bits(mlir: Mlir, type_: Type) -> int:
    """An index is 32 bits wide on AIE2."""
    kind = element(mlir, type_)
    return lanes(mlir, type_) * (32 if isinstance(kind, mlir.ir.IndexType) else int(kind.width))


def with_element(mlir: Mlir, type_: Type, new: Type) -> Type:
    return mlir.ir.VectorType.get(type_.shape, new) if isinstance(type_, mlir.ir.VectorType) else new


def flat(mlir: Mlir, value: Value) -> Value:
    """A vector in one dimension."""
    if len(shape(mlir, value.type)) == 1:
        return value
    type_ = mlir.ir.VectorType.get([lanes(mlir, value.type)], element(mlir, value.type))
    return mlir.value("vector.shape_cast", [value], type_)


def extended(mlir: Mlir, value: Value, new: Type) -> Value:
    """The value in a wider element type."""
    if element(mlir, value.type) == new:
        return value
    name = "arith.extf" if isinstance(new, mlir.ir.FloatType) else "arith.extsi"
    return mlir.value(name, [value], with_element(mlir, value.type, new))


def truncated(mlir: Mlir, value: Value, type_: Type) -> Value:
    """arith.truncf in one dimension, so that the lanes that are converted together stay together."""
    if len(shape(mlir, type_)) < 2:
        return mlir.value("arith.truncf", [value], type_)
    row = mlir.ir.VectorType.get([lanes(mlir, type_)], element(mlir, type_))
    result = mlir.value("arith.truncf", [flat(mlir, value)], row)
    return mlir.value("vector.shape_cast", [result], type_)


def shuffled(mlir: Mlir, vector: Value, mask: list[int]) -> Value:
    """Lanes of a vector of one dimension."""
    type_ = mlir.ir.VectorType.get([len(mask)], element(mlir, vector.type))
    return mlir.value("vector.shuffle", [vector, vector], type_, mask=mlir.ir.DenseI64ArrayAttr.get(mask))


def first_lane(mlir: Mlir, vector: Value) -> Value:
    position = mlir.ir.DenseI64ArrayAttr.get([0])
    return mlir.value("vector.extract", [vector], element(mlir, vector.type), static_position=position)


def replace(operation: Operation, value: Value) -> None:
    operation.results[0].replace_all_uses_with(value)
    operation.erase()


def defined_by(mlir: Mlir, value: Value, *names: str) -> Operation | None:
    """The operation that a value is the result of, if it is one of these."""
    if isinstance(value, mlir.ir.BlockArgument):
        return None
    owner = value.owner.operation
    return owner if owner.name in names else None


def splat(mlir: Mlir, value: Value) -> int | None:
    """The number of an integer constant, of each of its lanes if it is a vector."""
    constant = defined_by(mlir, value, "arith.constant")
    if constant is None:
        return None
    attribute = constant.attributes["value"]
    if isinstance(attribute, mlir.ir.DenseElementsAttr):
        if not attribute.is_splat:
            return None
        attribute = attribute.get_splat_value()
    return int(attribute.value) if isinstance(attribute, mlir.ir.IntegerAttr) else None
