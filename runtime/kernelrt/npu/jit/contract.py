"""vector.contract as one multiplication and addition of flat vectors for each reduction index; any indexing maps."""

import itertools
from collections.abc import Mapping, Sequence

from kernelrt.npu.jit.api import Mlir, Operation, Value
from kernelrt.npu.jit.values import element, extended, first_lane, flat, lanes, replace, shape, shuffled, truncated

_MOST_LANES = 1024  # of a result that is computed in one piece


def rewrite_contract(mlir: Mlir, operation: Operation) -> None:
    """Leaves to MLIR's own lowering what is not a sum of products or too large for one piece."""
    ir = mlir.ir
    operands = list(operation.operands)
    type_ = operation.results[0].type
    if len(operands) != 3 or "<add>" not in str(operation.attributes["kind"]) or lanes(mlir, type_) > _MOST_LANES:
        return
    left, right, accumulator = operands
    maps = [[int(result.position) for result in map_.value.results] for map_ in operation.attributes["indexing_maps"]]
    sizes = {
        dimension: size
        for operand, dimensions in ((left, maps[0]), (right, maps[1]))
        for dimension, size in zip(dimensions, shape(mlir, operand.type), strict=True)
    }
    summed = [dimension for dimension in sorted(sizes) if dimension not in maps[2]]
    narrow = element(mlir, type_)
    wide = ir.F32Type.get() if narrow == ir.BF16Type.get() else narrow
    factors = [extended(mlir, flat(mlir, operand), wide) for operand in (left, right)]
    if not shape(mlir, type_):
        accumulator = mlir.value("vector.broadcast", [accumulator], ir.VectorType.get([1], narrow))
    total = extended(mlir, flat(mlir, accumulator), wide)
    for indices in itertools.product(*(range(sizes[dimension]) for dimension in summed)):
        at = dict(zip(summed, indices, strict=True))
        pair = [
            shuffled(mlir, factor, _lanes(dimensions, maps[2], sizes, at))
            for factor, dimensions in zip(factors, maps, strict=False)
        ]
        total = _multiplied(mlir, pair, total)
    if not shape(mlir, type_):
        total = first_lane(mlir, total)
        replace(operation, truncated(mlir, total, type_) if wide != narrow else total)
        return
    if wide != narrow:
        total = mlir.value("arith.truncf", [total], ir.VectorType.get([lanes(mlir, type_)], narrow))
    replace(operation, mlir.value("vector.shape_cast", [total], type_))


def _multiplied(mlir: Mlir, factors: list[Value], total: Value) -> Value:
    if isinstance(element(mlir, total.type), mlir.ir.FloatType):
        return mlir.value("vector.fma", [*factors, total], total.type)
    product = mlir.value("arith.muli", factors, total.type)
    return mlir.value("arith.addi", [total, product], total.type)


def _lanes(dimensions: Sequence[int], out: Sequence[int], sizes: Mapping[int, int], at: Mapping[int, int]) -> list[int]:
    """For each lane of the flat result, which element of a flat factor it takes at these reduction indices."""
    mask: list[int] = []
    for lane in itertools.product(*(range(sizes[dimension]) for dimension in out)):
        position = {**at, **dict(zip(out, lane, strict=True))}
        index = 0
        for dimension in dimensions:
            index = index * sizes[dimension] + position[dimension]
        mask.append(index)
    return mask
