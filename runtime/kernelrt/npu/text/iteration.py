"""A BD's iteration: the offset that a BD adds each time it is executed, written as dimensions, or as more BDs."""

from collections.abc import Sequence
from dataclasses import replace

from kernelrt.npu.bd import Bd, Dim


def fold(bds: Sequence[tuple[Bd, Dim | None]], repeat: int) -> tuple[tuple[Bd, ...], int]:
    """A chain that runs `repeat` times more, and whose BDs may iterate, as one that does the same without iterating:
    its BDs and their repeat. Execution k of a BD that iterates begins (k mod size) * stride elements further on."""
    if all(step is None or step.size <= 1 or step.stride == 0 for _, step in bds):
        return tuple(bd for bd, _ in bds), repeat
    if len(bds) == 1:
        bd, step = bds[0]
        assert step is not None
        runs = repeat + 1
        if bd.acquire is None and bd.release is None and not bd.pads and (runs <= step.size or runs % step.size == 0):
            count = min(runs, step.size)
            return (bd if count == 1 else _widened(bd, Dim(count, step.stride)),), runs // count - 1
    return _unrolled(bds, repeat + 1), 0


def _widened(bd: Bd, outer: Dim) -> Bd:
    inner = bd.dims or (Dim(bd.length, 1),)
    return replace(bd, dims=(outer, *inner), length=bd.length * outer.size)


def _unrolled(bds: Sequence[tuple[Bd, Dim | None]], runs: int) -> tuple[Bd, ...]:
    copies: list[Bd] = []
    for run in range(runs):
        for bd, step in bds:
            offset = 0 if step is None else run % max(step.size, 1) * step.stride
            copies.append(replace(bd, offset=bd.offset + offset, next=len(copies) + 1))
    copies[-1] = replace(copies[-1], next=None)
    return tuple(copies)
