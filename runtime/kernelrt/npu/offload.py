"""Attention of prefill chunks on an NPU, in memory that the GPU and the NPU both see.

A kernel serves all layers of its kind. Its buffers are the NPU's own, imported into Vulkan where they lie: it reads
what the GPU's `npu_in` wrote and `npu_out` what the NPU wrote, and no byte is copied between.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.abi import NpuEntry, Value
from kernelrt.errors import MissingKernelError
from kernelrt.gpu.device import Device
from kernelrt.gpu.imported import Imported
from kernelrt.gpu.memory import Buffer
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.npu.attention import Chunk
from kernelrt.npu.run import Bound, Kernel, Npu, Pending
from kernelrt.npu.run import Buffer as Shared

FAMILY = "attention_prefill"


@dataclass(frozen=True, slots=True)
class Attention:
    """The NPU kernel of a kind of layer: `rows` queries a head at most, in a ring of `capacity` keys.

    `starts`: the sequences by the last start that each serves, which reach back `spread` positions.
    """

    entry: NpuEntry
    chunk: Chunk
    starts: Mapping[int, str]
    spread: int

    @property
    def rows(self) -> int:
        return self.chunk.rows

    def serves(self, start: int) -> bool:
        """Whether it can compute queries from position `start` on."""
        return self._find(start) is not None

    def sequence(self, start: int) -> tuple[int, str, int]:
        """For queries from position `start` on: the sequence, the start that it is named for, and the start as the NPU
        counts it. Once a ring is full, one turn of it is like another.
        """
        found = self._find(start)
        if found is None:
            raise MissingKernelError(f"{self.entry.name} has no sequence for queries from position {start} on")
        return found

    def _find(self, start: int) -> tuple[int, str, int] | None:
        behind = start - max(self.starts)
        if self.chunk.window and behind > 0:
            start -= -(-behind // self.chunk.capacity) * self.chunk.capacity
        fitting = [last for last in self.starts if last - self.spread < start <= last]
        return (min(fitting), self.starts[min(fitting)], start) if fitting else None

    def header(self, start: int, rows: int, kv_heads: int) -> NDArray[np.int32]:
        """What the passes are told, i32 [kv_heads * passes * WORDS], for `rows` queries from `start` on."""
        last, _, start = self.sequence(start)
        streams = [self.chunk.stream(number, last, self.spread) for number in range(self.chunk.passes)]
        words = [self.chunk.header(number, start, rows, stream) for number, stream in enumerate(streams)]
        return np.array([word for each in words * kv_heads for word in each], np.int32)


def find_attention(
    entries: Sequence[NpuEntry], model: ModelSpec, capacity: int, rows: int
) -> dict[LayerKind, Attention]:
    """The kernels of a bundle for a context of `capacity` tokens and chunks of `rows`, by the kind of layer.

    Raises MissingKernelError.
    """
    found: dict[LayerKind, Attention] = {}
    for kind in dict.fromkeys(model.layer_kinds):
        window = model.window if kind == "local" and model.window < capacity else 0
        fitting = [_attention(entry) for entry in entries if _serves(entry, window, capacity, rows)]
        if not fitting:
            raise MissingKernelError(
                f"the bundle has no NPU kernel for {kind} layers at {capacity} tokens; build one with"
                " `kernelc build --npu sim` (or xclbin)"
            )
        found[kind] = min(fitting, key=lambda attention: attention.chunk.capacity)
    return found


def _serves(entry: NpuEntry, window: int, capacity: int, rows: int) -> bool:
    tags = entry.tags
    if entry.family != FAMILY or (tags["dtype"], tags["window"], tags["rows"]) != ("bf16", window, rows):
        return False
    ring = _number(tags["capacity"])
    return ring >= capacity or (window > 0 and ring >= window - 1 + rows)


def _attention(entry: NpuEntry) -> Attention:
    tags = {
        name: _number(entry.tags[name]) for name in ("rows", "pass_rows", "key_rows", "capacity", "window", "spread")
    }
    chunk = Chunk(tags["rows"], tags["pass_rows"], tags["key_rows"], tags["capacity"], tags["window"] or None)
    named = ((re.fullmatch(r"start_(\d+)", name), name) for name in entry.sequences)
    return Attention(entry, chunk, {int(match[1]): name for match, name in named if match}, tags["spread"])


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value


class Offload:
    """The kernels on an NPU, with `lanes` sets of buffers: one chunk's attention runs while another's is prepared."""

    def __init__(
        self,
        npu: Npu,
        device: Device,
        model: ModelSpec,
        attention: Mapping[LayerKind, Attention],
        files: Mapping[str, Mapping[str, bytes]],
        lanes: int,
    ) -> None:
        """`files`: those of each kernel, by its name and their roles. Raises NpuError, DesignError, GpuError."""
        self.npu = npu
        self.attention = attention
        self.buffers: dict[str, Buffer] = {}
        self._model = model
        self._kernels: dict[LayerKind, Kernel] = {}
        self._shared: dict[tuple[LayerKind, int], dict[str, Shared]] = {}
        self._bound: dict[tuple[LayerKind, int, str], Bound] = {}
        for kind, each in attention.items():
            self._kernels[kind] = npu.load(each.entry, files[each.entry.name])
            for lane in range(lanes):
                shared = {argument.name: npu.allocate(argument.nbytes) for argument in each.entry.arguments}
                self._shared[kind, lane] = shared
                for name in ("q", "k", "v", "out"):
                    memory = Imported(device, shared[name].address, shared[name].nbytes)
                    nbytes = next(a.nbytes for a in each.entry.arguments if a.name == name)
                    self.buffers[in_lane(f"npu_{name}.{kind}", lane)] = Buffer(device, nbytes, at=(memory, 0))
                for sequence in each.starts.values():
                    arguments = [shared[argument.name] for argument in each.entry.arguments]
                    self._bound[kind, lane, sequence] = npu.bind(self._kernels[kind], sequence, arguments)

    def start(self, kind: LayerKind, lane: int, start: int, rows: int) -> Pending:
        """Begins the attention of a chunk in a layer of this kind: `rows` queries from position `start` on."""
        attention = self.attention[kind]
        header = attention.header(start, rows, self._model.kv_heads)
        passes = self._shared[kind, lane]["passes"]
        np.frombuffer(passes.view(), np.int32, header.size)[:] = header
        return self.npu.start([self._bound[kind, lane, attention.sequence(start)[1]]])

    def shared(self) -> list[tuple[str, Buffer, int]]:
        """The name, the GPU's buffer and the NPU's address of each piece of memory that both use."""
        found: list[tuple[str, Buffer, int]] = []
        for (kind, lane), buffers in self._shared.items():
            names = {in_lane(f"npu_{name}.{kind}", lane): buffer for name, buffer in buffers.items()}
            found += [(name, self.buffers[name], each.address) for name, each in names.items() if name in self.buffers]
        return found

    def serves(self, starts: Sequence[int]) -> bool:
        """Whether every layer has a way for chunks that begin there."""
        return all(attention.serves(start) for attention in self.attention.values() for start in starts)

    def close(self) -> None:
        """Gives the NPU back. The GPU's buffers must be closed before."""
        self.npu.close()


def in_lane(name: str, lane: int) -> str:
    """The name of a buffer in a lane: two chunks that are under way have their own."""
    return f"{name}@{lane}" if lane else name
