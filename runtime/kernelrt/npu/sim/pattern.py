"""The access pattern of a buffer descriptor: which bytes of a memory it moves, and in which order."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from kernelrt.npu.bd import Bd, Dim
from kernelrt.weights.arrays import reshape, view

Bytes = NDArray[np.uint8]

# Items of a strided copy: the larger, the fewer NumPy has to move. Complex stands for any 16 bytes.
_UNITS = {16: np.dtype(np.complex128), 8: np.dtype("u8"), 4: np.dtype("u4"), 2: np.dtype("u2"), 1: np.dtype("u1")}


class PatternError(ValueError):
    """A BD that does not describe a transfer."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A size, and a stride in bytes."""

    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """`size`: bytes on the stream, padding included. `start` and `end`: the range of the memory's bytes it touches.
    `run`: bytes in one piece, of which `axes` (outermost first) says where they stand. `order` names the memory's bytes
    one by one where a strided copy cannot say it: patterns that are cut short, or that write a byte twice."""

    size: int
    start: int
    end: int
    run: int
    axes: tuple[Axis, ...]
    pads: tuple[tuple[int, int], ...]
    order: NDArray[np.intp] | None

    @staticmethod
    def of(bd: Bd, item: int, writes: bool) -> "Pattern":
        """`item`: bytes of one element. `writes`: whether it is the memory's side of a stream to memory."""
        size = bd.length * item
        if bd.offset < 0 or bd.length < 0 or any(dim.size < 1 or dim.stride < 0 for dim in bd.dims):
            raise PatternError("an offset, length, size or stride is negative or a size is zero")
        if bd.pads:
            return _padded(bd, item, size)
        inner = prod(dim.size for dim in bd.dims[1:])
        outer, rest = divmod(bd.length, inner)
        # The outermost dimension has no size in hardware: the BD's length ends it.
        dims = (Dim(outer + (rest > 0), bd.dims[0].stride), *bd.dims[1:]) if bd.dims else (Dim(bd.length, 1),)
        run, axes = _merged([Axis(dim.size, dim.stride * item) for dim in dims], item)
        start = bd.offset * item
        if rest:
            order = _order(start, axes, run)[:size]
            return Pattern(size, int(order.min()), int(order.max()) + 1, run, axes, (), order)
        end = start + sum((axis.size - 1) * axis.stride for axis in axes) + run if size else start
        order = _order(start, axes, run) if writes and _overlaps(axes, run) else None
        return Pattern(size, start, end, run, axes, (), order)

    @property
    def plain(self) -> bool:
        """Whether it is one piece of the memory as it stands."""
        return not self.axes and not self.pads and self.order is None

    def strided(self, memory: Bytes) -> NDArray[np.generic]:
        """The memory's bytes in the stream's order, as a strided array over the memory itself. Not for `order`."""
        strides = [axis.stride for axis in self.axes]
        unit = next(u for u in _UNITS if all(n % u == 0 for n in (self.run, self.start, *strides)))
        shape = (*(axis.size for axis in self.axes), self.run // unit)
        return np.ndarray(shape, _UNITS[unit], memory.data, self.start, (*strides, unit))

    def gather(self, memory: Bytes) -> Bytes:
        """What goes on the stream: a view of the memory where the pattern is plain, else a copy."""
        if self.plain:
            return memory[self.start : self.end]
        if self.order is not None:
            return memory[self.order]
        if not self.pads:
            return flat(self.strided(memory))
        return self._filled(self.strided(memory))

    def scatter(self, memory: Bytes, data: Bytes) -> None:
        """Puts the first `len(data)` bytes of the stream where they belong."""
        if self.order is not None or len(data) < self.size:
            order = _order(self.start, self.axes, self.run) if self.order is None else self.order
            memory[order[: len(data)]] = data
        else:
            inside = self.strided(memory)
            inside[...] = reshape(view(data, inside.dtype.type), *inside.shape)

    def touched(self) -> NDArray[np.intp]:
        """Each byte of the memory, in the stream's order."""
        return _order(self.start, self.axes, self.run) if self.order is None else self.order

    def _filled(self, inside: NDArray[np.generic]) -> Bytes:
        """Zeros around what the memory has."""
        sizes = [axis.size for axis in self.axes]
        outside = np.zeros(
            (*(b + n + e for n, (b, e) in zip(sizes, self.pads, strict=True)), *inside.shape[len(sizes) :]),
            inside.dtype,
        )
        outside[tuple(slice(b, b + n) for n, (b, _) in zip(sizes, self.pads, strict=True))] = inside
        return flat(outside)[: self.size]


def flat(array: NDArray[np.generic]) -> Bytes:
    """A copy of an array's bytes in its order."""
    return view(reshape(np.array(array, order="C"), -1), np.uint8)


def _padded(bd: Bd, item: int, size: int) -> Pattern:
    """Dimensions stay apart, so that each can have its padding. The length of the BD counts the padding."""
    if len(bd.pads) != len(bd.dims):
        raise PatternError(f"{len(bd.pads)} paddings for {len(bd.dims)} dimensions")
    axes = tuple(Axis(dim.size, dim.stride * item) for dim in bd.dims)
    pads = tuple((pad.before, pad.after) for pad in bd.pads)
    whole = prod(axis.size + before + after for axis, (before, after) in zip(axes, pads, strict=True)) * item
    if size > whole:
        raise PatternError(f"the length is {bd.length} elements, and dimensions with their padding are {whole // item}")
    start = bd.offset * item
    return Pattern(size, start, start + sum((a.size - 1) * a.stride for a in axes) + item, item, axes, pads, None)


def _merged(axes: list[Axis], item: int) -> tuple[int, tuple[Axis, ...]]:
    """Length of the contiguous piece, and the axes that are left when neighbours that count as one are merged."""
    run = item
    kept: list[Axis] = []
    for axis in reversed(axes):
        if axis.size == 1:
            continue
        if not kept and axis.stride == run:
            run *= axis.size
        elif kept and axis.stride == kept[-1].size * kept[-1].stride:
            kept[-1] = Axis(kept[-1].size * axis.size, kept[-1].stride)
        else:
            kept.append(axis)
    return (run if all(axis.size for axis in axes) else 0), tuple(reversed(kept))


def _overlaps(axes: tuple[Axis, ...], run: int) -> bool:
    extent = run
    for axis in sorted(axes, key=lambda a: a.stride):
        if axis.stride < extent:
            return True
        extent += (axis.size - 1) * axis.stride
    return False


def _order(start: int, axes: tuple[Axis, ...], run: int) -> NDArray[np.intp]:
    found = np.array([start], np.intp)
    for axis in axes:
        found = reshape(found[:, None] + np.arange(axis.size, dtype=np.intp) * axis.stride, -1)
    return reshape(found[:, None] + np.arange(run, dtype=np.intp), -1)
