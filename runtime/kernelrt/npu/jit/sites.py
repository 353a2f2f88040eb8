"""What the program around a site says about it."""

from dataclasses import dataclass

from kernelrt.npu.jit.api import Operation
from kernelrt.npu.jit.module import Parsed, called, walk
from kernelrt.npu.jit.operations import SITE
from kernelrt.npu.jit.values import bits, defined_by, splat


@dataclass(frozen=True, slots=True)
class Detail:
    """`acquire`: the site whose subview a fifo_access takes an object of. `moved`: bytes of a cascade or stream
    operation; `channel`: its channel. `shape` of the memref that a fifo_access gives."""

    acquire: int | None
    moved: int
    channel: int | None
    shape: tuple[int, ...]


def details(parsed: Parsed) -> dict[int, Detail]:
    """By number of the site. Raises DesignError where a subview or a channel is not known before the program runs."""
    found: dict[int, Detail] = {}
    for function in parsed.used():
        for operation in walk(function):
            callee = called(operation)
            if callee and callee.startswith(SITE):
                number = int(callee.removeprefix(SITE))
                found[number] = _detail(parsed, operation, parsed.program.sites[number].meaning.kind)
    return found


def _detail(parsed: Parsed, operation: Operation, kind: str) -> Detail:
    mlir = parsed.mlir
    if kind == "fifo_access":
        return Detail(_acquire(parsed, operation), 0, None, _shape(parsed, operation))
    if not kind.startswith(("cascade_", "stream_")):
        return Detail(None, 0, None, ())
    value = operation.results[0] if kind.endswith("get") else operation.operands[-1]
    moved = bits(mlir, value.type) // 8
    allowed = (64,) if kind.startswith("cascade_") else (4, 16)
    if moved not in allowed:
        sizes = " or ".join(str(8 * size) for size in allowed)
        raise parsed.error(operation, f"{value.type}: this moves {sizes} bits")
    channel = None
    if kind.startswith("stream_"):
        channel = splat(mlir, operation.operands[0])
        if channel is None:
            raise parsed.error(operation, "the channel must be an arith.constant")
    return Detail(None, moved, channel, ())


def _acquire(parsed: Parsed, access: Operation) -> int:
    acquire = defined_by(parsed.mlir, access.operands[0], "func.call")
    callee = called(acquire) if acquire is not None else None
    if not callee or not callee.startswith(SITE):
        raise parsed.error(access, "the subview must be the direct result of an aie.objectfifo.acquire")
    return int(callee.removeprefix(SITE))


def _shape(parsed: Parsed, access: Operation) -> tuple[int, ...]:
    ir = parsed.mlir.ir
    type_ = access.results[0].type
    if not isinstance(type_, ir.MemRefType) or not type_.has_static_shape:
        raise parsed.error(access, f"{type_}: an object is a memref of a static shape")
    return tuple(int(n) for n in type_.shape)
