"""Views of a runtime sequence's arguments: memref.subview, reinterpret_cast, assume_alignment."""

from collections.abc import Sequence as Many

from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType, StridedLayoutAttr
from xdsl.ir import Attribute

from kernelrt.npu.text import syntax
from kernelrt.npu.text.scope import memref as resolved
from kernelrt.npu.text.sequence import Sequence


def view(sequence: Sequence, op: memref.SubviewOp | memref.ReinterpretCastOp) -> None:
    """Records what the view's result is: an argument, further on."""
    scope = sequence.scope
    source = op.operands[0]
    if source not in sequence.views:
        raise scope.error(op, f"%{scope.name(source)} is no argument of this runtime sequence, nor a view of one")
    name, type, base = sequence.views[source]
    if op.operands[1:]:
        raise scope.error(op, f"{op.name}: offsets, sizes and strides must be numbers here")
    offsets = syntax.values_of(op.static_offsets)
    if isinstance(op, memref.ReinterpretCastOp):
        offset = offsets[0] if offsets else 0
    else:
        offset = sum(start * stride for start, stride in zip(offsets, _strides(type.shape), strict=True))
    result = op.results[0]
    ranked = syntax.as_memref(result.type)
    assert ranked is not None
    _contiguous(sequence, op, ranked)
    sequence.views[result] = (name, resolved(scope, op, result.type), base + offset)


def _strides(shape: Many[int]) -> list[int]:
    """Elements between neighbours of each dimension of a row-major memref."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return strides[::-1] if shape else []


def _contiguous(
    sequence: Sequence, op: memref.SubviewOp | memref.ReinterpretCastOp, type: "MemRefType[Attribute]"
) -> None:
    layout = type.layout
    if not isinstance(layout, StridedLayoutAttr):
        return
    given = [getattr(stride, "data", None) for stride in layout.strides]
    wanted = _strides(type.get_shape())
    for stride, plain, size in zip(given, wanted, type.get_shape(), strict=True):
        if size > 1 and stride != plain:
            raise sequence.scope.error(op, f"{op.name}: a view with gaps cannot be moved as one: use sizes and strides")
