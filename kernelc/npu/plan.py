"""Which attention kernels of the NPU a bundle needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import Literal

from kernelc.attention import capacity_of, scratch_rows
from kernelc.buckets import Buckets
from kernelc.kernel import ceil_div
from kernelc.npu import attention_decode, attention_prefill
from kernelc.npu.attention import Shape
from kernelc.npu.spec import NpuDtype, NpuKernelSpec
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.npu.rings import Ring, smallest
from kernelrt.npu.run import PAGE

SEQUENCES = (256, 512, 1024, 2048, 4096)  # capacities that the NPU has kernels for; longer ones stay on the GPU
CHUNK = 512  # queries of a prefill chunk
_GRAIN = 256  # entries: a stripe of blocks for sixteen tiles, and more than one for four
_SPREADS = 4  # sequences of instructions of a decode kernel, about
Phase = Literal["prefill", "decode"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A kernel to make: the cache that it reads, and its sequences of instructions as Shape has them."""

    phase: Phase
    ring: Ring
    starts: tuple[int, ...]
    spread: int

    def name(self, dtype: NpuDtype) -> str:
        cache = f"{'local' if self.ring.window else 'global'}.s{self.ring.keys}.{dtype}"
        return f"npu_prefill.{cache}.c{self.ring.rows}" if self.phase == "prefill" else f"npu_decode.{cache}"


def planned(model: ModelSpec, buckets: Buckets, chunk: int = CHUNK) -> tuple[Planned, ...]:
    """The kernels of all buckets that the NPU serves, none twice: for each kind of layer and capacity one for prefill
    and one for decode.

    Decode kernels are for one sequence, and a step runs one for each of its sequences: these stand at positions of
    their own, of which a sequence of instructions serves a range, and each has a cache of its own to stream, so that
    nothing would be gained by running several as one.
    """
    seqs = dict.fromkeys(size for seq in buckets.seq for size in SEQUENCES if size >= seq and size // 2 < max(seq, 256))
    kinds = tuple(dict.fromkeys(model.layer_kinds))
    pairs = [(_prefill(model, kind, seq, chunk), _decode(model, kind, seq)) for seq in seqs for kind in kinds]
    # Of kernels that differ in the positions they serve, the last one serves the most.
    return tuple({(each.phase, each.ring): each for pair in pairs for each in pair}.values())


def plan(model: ModelSpec, buckets: Buckets, chunk: int = CHUNK, dtype: NpuDtype = "bf16") -> tuple[NpuKernelSpec, ...]:
    """What is planned, specialised. Raises InputError where one does not fit the NPU."""
    return tuple(_specs(model, planned(model, buckets, chunk), dtype))


@dataclass(frozen=True, slots=True)
class Beside:
    """What the GPU's kernels on either side of the NPU's know: the kind of layer, the entries of the GPU's cache, the
    rows of a chunk's scratch, and the NPU's cache.
    """

    kind: LayerKind
    cached: int
    chunk: int
    ring: Ring


def beside(model: ModelSpec, target: TargetSpec, buckets: Buckets, phase: Phase) -> tuple[Beside, ...]:
    """For each bucket and kind of layer whose attention the target's NPU computes, none twice."""
    kernels = [each for each in planned(model, buckets) if each.phase == phase] if target.npu else []
    found: list[Beside] = []
    for seq in buckets.seq:
        rows = min(seq, prefill_rows(target)) if phase == "prefill" else 1
        for kind in dict.fromkeys(model.layer_kinds):
            kernel = smallest(Ring.needed(model, kind, seq, rows), kernels, lambda each: each.ring)
            if kernel is not None:
                found.append(Beside(kind, capacity_of(model, kind, seq), scratch_rows(target, seq), kernel.ring))
    return tuple(dict.fromkeys(found))


def apart(model: ModelSpec) -> int:
    """Elements of bf16 from the queries, or results, of one sequence of a decode step to those of the next: whole
    pages, for each sequence's are an argument of their own.
    """
    return ceil_div(2 * model.attn_width, PAGE) * PAGE // 2


def _prefill(model: ModelSpec, kind: LayerKind, seq: int, chunk: int) -> Planned:
    """From any position on: a ring has room for the window and a chunk, in whole chunks."""
    rows = min(chunk, seq)
    ring = _cache(model, kind, seq, model.window + rows, lcm(_GRAIN, rows), rows)
    last = seq if ring.keys == seq else min(seq, model.window + rows + ring.keys)
    return Planned("prefill", ring, tuple(range(0, last, rows)), rows)


def _decode(model: ModelSpec, kind: LayerKind, seq: int) -> Planned:
    ring = _cache(model, kind, seq, model.window, _GRAIN, 1)
    spread = max(_GRAIN, seq // _SPREADS) if ring.keys == seq else _GRAIN
    last = seq if ring.keys == seq else min(seq, model.window + spread + ring.keys)
    return Planned("decode", ring, tuple(range(spread - 1, last, spread)), spread)


def _cache(model: ModelSpec, kind: LayerKind, seq: int, room: int, grain: int, rows: int) -> Ring:
    """Room for all positions, or for `room` of them in whole grains where that is less."""
    ring = ceil_div(room, grain) * grain
    window = model.window if kind == "local" and model.window < seq else 0
    return Ring(ring if kind == "local" and ring < seq else seq, window, rows)


def _specs(model: ModelSpec, kernels: tuple[Planned, ...], dtype: NpuDtype) -> Iterator[NpuKernelSpec]:
    for each in kernels:
        ring, family = each.ring, attention_prefill if each.phase == "prefill" else attention_decode
        heads = (model.heads, model.kv_heads, model.head_dim)
        shape = Shape(*heads, ring.keys, ring.window or None, each.starts, each.spread, ring.rows, 1, dtype)
        yield family.spec(shape, each.name(dtype))
