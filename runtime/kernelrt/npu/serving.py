"""The NPU's attention kernels of a bundle: which of them serves a layer, and what it is told."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.abi import NpuEntry, Value
from kernelrt.errors import MissingKernelError
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.npu.attention import Chunk, serving
from kernelrt.npu.rings import Ring, smallest
from kernelrt.where import Phase


@dataclass(frozen=True, slots=True)
class Attention:
    """The NPU kernel of a kind of layer. Each of its sequences serves a range of first queries: the `spread` positions
    up to one of `starts`.
    """

    entry: NpuEntry
    chunk: Chunk
    starts: tuple[int, ...]
    spread: int

    @staticmethod
    def of(entry: NpuEntry) -> "Attention":
        """By the entry's tags. A decode step is a chunk of one row, and its blocks are stripes."""
        keys = "stripe" if entry.tags["phase"] == "decode" else "key_rows"
        names = ("rows", "pass_rows", keys, "capacity", "window", "spread")
        rows, pass_rows, key_rows, capacity, window, spread = (_number(entry.tags.get(name, 1)) for name in names)
        named = (re.fullmatch(r"start_(\d+)", name) for name in entry.sequences)
        starts = tuple(sorted(int(match[1]) for match in named if match))
        return Attention(entry, Chunk(rows, pass_rows, key_rows, capacity, window or None), starts, spread)

    @property
    def ring(self) -> Ring:
        return Ring(self.chunk.capacity, self.chunk.window or 0, self.chunk.rows)

    def serves(self, start: int) -> bool:
        """Whether it can compute queries from position `start` on."""
        try:
            self._serving(start)
        except MissingKernelError:
            return False
        return True

    def sequence(self, start: int) -> str:
        """The name of the sequence for queries from position `start` on. Raises MissingKernelError."""
        return f"start_{self._serving(start)[0]}"

    def header(self, start: int, rows: int, kv_heads: int) -> NDArray[np.int32]:
        """What the passes are told, i32 [kv_heads * passes * WORDS], for `rows` queries from `start` on."""
        last = self._serving(start)[1]
        streams = [self.chunk.stream(number, last, self.spread) for number in range(self.chunk.passes)]
        words = [self.chunk.header(number, start, rows, stream) for number, stream in enumerate(streams)]
        return np.array([word for each in words * kv_heads for word in each], np.int32)

    def _serving(self, start: int) -> tuple[int, int]:
        return serving(start, self.starts, self.spread, self.chunk.capacity, self.chunk.window)


def find(
    entries: Iterable[NpuEntry], model: ModelSpec, context: int, rows: int, phase: Phase
) -> dict[LayerKind, Attention]:
    """The kernels of a bundle for a context of so many tokens and up to `rows` queries at once, by the kind of layer.

    Raises MissingKernelError.
    """
    kernels = [Attention.of(entry) for entry in entries if _takes_part(entry.tags, phase)]
    if phase == "decode":  # a prompt that goes on at an odd place can be left to the GPU, a step has no choice
        kernels = [each for each in kernels if _everywhere(each, context)]
    found: dict[LayerKind, Attention] = {}
    for kind in dict.fromkeys(model.layer_kinds):
        kernel = smallest(Ring.needed(model, kind, context, rows), kernels, lambda each: each.ring)
        if kernel is None:
            raise MissingKernelError(
                f"the bundle has no NPU kernel for {_WHAT[phase]} in {kind} layers at {context} tokens; build one with"
                f" `kernelc build --npu sim` (or xclbin), or leave it to the GPU with --attention"
            )
        found[kind] = kernel
    return found


_WHAT: Mapping[Phase, str] = {"prefill": "prompts", "decode": "decode steps"}


def _everywhere(kernel: Attention, context: int) -> bool:
    """Whether it serves every position; from one to the next of a spread's distance, all are served alike."""
    return all(kernel.serves(position) for position in (*range(0, context, kernel.spread), context - 1))


def _takes_part(tags: Mapping[str, Value], phase: Phase) -> bool:
    return (tags.get("phase"), tags.get("dtype"), tags.get("batch", 1)) == (phase, "bf16", 1) and "window" in tags


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
