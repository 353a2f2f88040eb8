"""Attention of decode steps on an NPU, in memory that the GPU and the NPU both see.

Each layer's keys and values stay in the NPU's layout for the whole run: the GPU's `npu_append` writes those of prompts
there and its `npu_step` those of steps, beside the queries; the NPU reads them where they lie. A sequence is a run of
its own, for it stands at a position of its own.
"""

from collections.abc import Mapping

import numpy as np

from kernelrt.buffers import NPU_STEP, npu_caches
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.npu.run import Bound, Npu, Pending
from kernelrt.npu.run import Buffer as Shared
from kernelrt.npu.serving import Attention


class Decode:
    """The kernels on an NPU, with the caches of `slots` sequences."""

    def __init__(
        self,
        npu: Npu,
        model: ModelSpec,
        attention: Mapping[LayerKind, Attention],
        files: Mapping[str, Mapping[str, bytes]],
        nbytes: Mapping[str, int],
        slots: int,
    ) -> None:
        """`files`: those of each kernel, by its name and their roles; `nbytes`: what the GPU's kernels take of each
        buffer, in equal parts for each slot. Raises NpuError, DesignError.
        """
        self._npu = npu
        self._model = model
        self._attention = attention
        kernels = {kind: npu.load(each.entry, files[each.entry.name]) for kind, each in attention.items()}
        self.shared = {name: npu.allocate(size) for name, size in nbytes.items()}
        parts = {
            (name, slot): npu.part(whole, slot * (nbytes[name] // slots), nbytes[name] // slots)
            for name, whole in self.shared.items()
            for slot in range(slots)
        }
        self._passes: dict[tuple[LayerKind, int], Shared] = {}
        for kind, each in attention.items():
            (told,) = (argument for argument in each.entry.arguments if argument.name == "passes")
            self._passes |= {(kind, slot): npu.allocate(told.nbytes) for slot in range(slots)}
        self._bound: dict[tuple[int, int, str], Bound] = {}
        for layer, kind in enumerate(model.layer_kinds):
            names, entry = {**NPU_STEP, **npu_caches(layer)}, attention[kind].entry
            for slot in range(slots):
                own = {name: parts[buffer, slot] for name, buffer in names.items()}
                own["npu_passes"] = self._passes[kind, slot]
                arguments = [own[f"npu_{argument.name}"] for argument in entry.arguments]
                for sequence in entry.sequences:
                    self._bound[layer, slot, sequence] = npu.bind(kernels[kind], sequence, arguments)

    def tell(self, positions: Mapping[int, int]) -> None:
        """What all layers of a step are told: the slot of each sequence and where its token stands."""
        for kind, attention in self._attention.items():
            for slot, position in positions.items():
                header = attention.header(position, 1, self._model.kv_heads)
                np.frombuffer(self._passes[kind, slot].view(), np.int32, header.size)[:] = header

    def start(self, layer: int, positions: Mapping[int, int]) -> Pending:
        """Begins a layer's attention of the step that was told."""
        attention = self._attention[self._model.layer_kinds[layer]]
        return self._npu.start(
            [self._bound[layer, slot, attention.sequence(position)] for slot, position in positions.items()]
        )
