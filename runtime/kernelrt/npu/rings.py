"""Which of the NPU's attention kernels serves a layer: the one rule that the compiler and the runtime both go by."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from kernelrt.model import LayerKind, ModelSpec

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Ring:
    """The cache that an NPU kernel reads, with position p at entry p % keys, or that a layer needs.

    Queries see `window` keys (0: all before), and come up to `rows` at a time: all of their keys lie in it.
    """

    keys: int
    window: int
    rows: int

    @staticmethod
    def needed(model: ModelSpec, kind: LayerKind, context: int, rows: int) -> "Ring":
        """What a layer needs where a sequence holds `context` tokens."""
        window = model.window if kind == "local" and model.window < context else 0
        return Ring(min(context, window - 1 + rows) if window else context, window, rows)

    def serves(self, need: "Ring") -> bool:
        """Whether a kernel with this cache can be used."""
        return self.window == need.window and self.rows >= need.rows and self.keys >= need.keys


def smallest(need: Ring, kernels: Iterable[K], ring: Callable[[K], Ring]) -> K | None:
    """The kernel with the smallest cache of those that serve; None where none does."""
    fitting = [kernel for kernel in kernels if ring(kernel).serves(need)]
    return min(fitting, key=lambda kernel: (ring(kernel).keys, ring(kernel).rows)) if fitting else None
