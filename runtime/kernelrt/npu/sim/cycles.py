"""The modelled clock. Nothing here is measured: it is what AIE2's public figures would give at best.

Source: AMD AM020 (Versal AIE-ML architecture): a compute tile issues, each cycle, one vector operation (256 int8 or 128
bf16 multiply-accumulates are one), one scalar one, two loads and one store of 32 bytes; a stream and each channel of a
DMA move 32 bits a cycle. The four units work side by side, and a block of a program takes as long as the busiest of
them: pipelines are taken as full, so bodies of a few instructions come out faster than they are.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kernelrt.npu.jit.cost import Cost

CLOCK_HZ = 1.0e9
STREAM_BYTES = 4
LOADS = 2
STORES = 1
FLOAT_CYCLES = 16
"""An assumption: floating point on scalars is software on AIE2, and no figure for it is public."""
MACS = {"i8": 256, "i16": 64, "bf16": 128, "i32": 16, "f32": 128 / 6}
"""Multiply-accumulates a cycle by the dtype of the factors; f32 is emulated with about six of bf16."""


def stream_cycles(count: int) -> int:
    """Cycles of `count` bytes on a stream or a DMA's channel."""
    return -(-count // STREAM_BYTES)


def block_cycles(cost: Cost) -> float:
    """The busiest of the units that work side by side: vector, scalar, loads, stores."""
    return max(
        sum(count / MACS.get(dtype, 16) for dtype, count in cost.macs.items()) + cost.vector_ops,
        float(cost.scalar_ops + FLOAT_CYCLES * cost.float_ops),
        cost.loads / LOADS,
        cost.stores / STORES,
    )


class Block(Protocol):
    """A block of a core's program: it ran `counters[counter] * factor` times, each time at `cost`."""

    @property
    def counter(self) -> int: ...
    @property
    def factor(self) -> int: ...
    @property
    def cost(self) -> Cost: ...


class Meter:
    """Modelled cycles of a core's program from how often each of its basic blocks ran."""

    __slots__ = ("_counters", "_cycles", "_seen", "_table")

    def __init__(self, counters: NDArray[np.int64], costs: Sequence[Block]) -> None:
        self._counters = counters
        self._seen = 0
        self._cycles = np.zeros(len(counters), np.float64)
        for block in costs:
            self._cycles[block.counter] += block.factor * block_cycles(block.cost)

    def since(self) -> int:
        """Cycles since the last call."""
        new = int(self._counters @ self._cycles) - self._seen
        self._seen += new
        return new
