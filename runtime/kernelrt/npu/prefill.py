"""Attention of prefill chunks on an NPU, in memory that the GPU and the NPU both see.

A kernel serves all layers of its kind. Its buffers are the NPU's own, imported into Vulkan where they lie: it reads
what the GPU's `npu_in` wrote and `npu_out` what the NPU wrote, and no byte is copied between.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from kernelrt.buffers import in_lane
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.npu.run import Bound, Npu, Pending
from kernelrt.npu.run import Buffer as Shared
from kernelrt.npu.serving import Attention


class Prefill:
    """The kernels on an NPU, with `lanes` sets of buffers: one chunk's attention runs while another's is prepared."""

    def __init__(
        self,
        npu: Npu,
        model: ModelSpec,
        attention: Mapping[LayerKind, Attention],
        files: Mapping[str, Mapping[str, bytes]],
        lanes: int,
    ) -> None:
        """`files`: those of each kernel, by its name and their roles. Raises NpuError, DesignError."""
        self._npu = npu
        self._model = model
        self._attention = attention
        self._passes: dict[tuple[LayerKind, int], Shared] = {}
        self._bound: dict[tuple[LayerKind, int, str], Bound] = {}
        self.shared: dict[str, Shared] = {}
        for kind, each in attention.items():
            kernel = npu.load(each.entry, files[each.entry.name])
            for lane in range(lanes):
                buffers = {argument.name: npu.allocate(argument.nbytes) for argument in each.entry.arguments}
                for sequence in each.entry.sequences:
                    self._bound[kind, lane, sequence] = npu.bind(kernel, sequence, list(buffers.values()))
                self._passes[kind, lane] = buffers.pop("passes")
                self.shared |= {in_lane(f"npu_{name}.{kind}", lane): buffer for name, buffer in buffers.items()}

    def start(self, kind: LayerKind, lane: int, start: int, rows: int) -> Pending:
        """Begins the attention of a chunk in a layer of this kind: `rows` queries from position `start` on."""
        attention = self._attention[kind]
        header = attention.header(start, rows, self._model.kv_heads)
        np.frombuffer(self._passes[kind, lane].view(), np.int32, header.size)[:] = header
        return self._npu.start([self._bound[kind, lane, attention.sequence(start)]])

    def serves(self, starts: Sequence[int]) -> bool:
        """Whether every layer has a way for chunks that begin there."""
        return all(attention.serves(start) for attention in self._attention.values() for start in starts)
