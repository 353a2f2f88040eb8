"""What a run plans where attention is the NPU's: its kernels, and the GPU's calls around them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from kernelrt.abi import NpuEntry
from kernelrt.buffers import laned, of_npu
from kernelrt.calls import Call, renamed, sizes
from kernelrt.errors import MissingKernelError
from kernelrt.gemma import Gemma
from kernelrt.gemma_split import split_decode, split_prefill
from kernelrt.model import LayerKind
from kernelrt.npu.serving import Attention, find
from kernelrt.where import Phases

LANES = 2  # prefill chunks that are under way together


@dataclass(frozen=True, slots=True)
class NpuKernels:
    """The NPU's kernels by the kind of layer, of the phases that are its; `notes`: what the user should know of it."""

    prefill: Mapping[LayerKind, Attention]
    decode: Mapping[LayerKind, Attention]
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(entries: Sequence[NpuEntry], gemma: Gemma, phases: Phases) -> "NpuKernels":
        """Those of a bundle. Raises MissingKernelError where it lacks one, unless that is left to be decided here."""
        decode = find(entries, gemma.model, gemma.capacity, 1, "decode") if phases.decode == "npu" else {}
        try:
            prefill = (
                find(entries, gemma.model, gemma.capacity, gemma.chunk, "prefill") if phases.prefill != "gpu" else {}
            )
        except MissingKernelError as error:
            if phases.prefill != "auto":
                raise
            return NpuKernels({}, decode, (f"attention of prompts runs on the GPU: {error}",))
        return NpuKernels(prefill, decode)


@dataclass(frozen=True, slots=True)
class PrefillPlan:
    """The NPU's kernels by the kind of layer, and the GPU's segments by rows and lane."""

    attention: Mapping[LayerKind, Attention]
    segments: Mapping[int, Sequence[Sequence[Sequence[Call]]]]


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """The NPU's kernels by the kind of layer, the GPU's segments by rows, the bytes of the buffers that both use."""

    attention: Mapping[LayerKind, Attention]
    segments: Mapping[int, Sequence[Sequence[Call]]]
    nbytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The phases whose attention is the NPU's."""

    prefill: PrefillPlan | None = None
    decode: DecodePlan | None = None

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call of the GPU."""
        lanes = [lane for found in (self.prefill.segments.values() if self.prefill else ()) for lane in found]
        steps = list(self.decode.segments.values()) if self.decode else []
        return tuple(each for program in (*lanes, *steps) for segment in program for each in segment)

    def shared_bytes(self, slots: int) -> int:
        """The host's memory that NPU and GPU share: buffers of each lane, and the caches and passes of each slot."""
        nbytes = 0
        for attention in self.prefill.attention.values() if self.prefill else ():
            nbytes += LANES * sum(argument.nbytes for argument in attention.entry.arguments)
        for attention in self.decode.attention.values() if self.decode else ():
            nbytes += slots * sum(each.nbytes for each in attention.entry.arguments if each.name == "passes")
        return nbytes + (sum(self.decode.nbytes.values()) if self.decode else 0)


def plan_split(gemma: Gemma, npu: NpuKernels, chunks: Iterable[int], batches: Iterable[int], slots: int) -> SplitPlan:
    """The GPU's calls around the NPU's kernels for chunks and batches of these sizes; `gemma` has the NPU's rings."""
    prefill = decode = None
    if npu.prefill:
        rings: dict[LayerKind, int] = {kind: each.ring.keys for kind, each in npu.prefill.items()}
        segments = {rows: split_prefill(gemma, rows, rings) for rows in chunks}
        lanes = {
            rows: [[renamed(part, partial(laned, lane=lane)) for part in found] for lane in range(LANES)]
            for rows, found in segments.items()
        }
        prefill = PrefillPlan(npu.prefill, lanes)
    if npu.decode:
        steps = {rows: split_decode(gemma, rows) for rows in batches}
        found = sizes((each for program in steps.values() for segment in program for each in segment), slots)
        decode = DecodePlan(npu.decode, steps, {name: size for name, size in found.items() if of_npu(name)})
    return SplitPlan(prefill, decode)
