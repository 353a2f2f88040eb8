"""Which attention kernels of the NPU a bundle needs."""

from collections.abc import Iterator
from math import lcm

from kernelc.buckets import Buckets
from kernelc.kernel import ceil_div
from kernelc.npu import attention_decode, attention_prefill
from kernelc.npu.attention import Shape
from kernelc.npu.spec import NpuDtype, NpuKernelSpec
from kernelrt.model import LayerKind, ModelSpec

SEQUENCES = (256, 512, 1024, 2048, 4096)  # capacities that the NPU has kernels for; longer ones stay on the GPU
CHUNK = 512  # queries of a prefill chunk
_GRAIN = 256  # entries: a stripe of blocks for sixteen tiles, and more than one for four
_SPREADS = 4  # sequences of instructions of a decode kernel, about


def plan(model: ModelSpec, buckets: Buckets, chunk: int = CHUNK, dtype: NpuDtype = "bf16") -> tuple[NpuKernelSpec, ...]:
    """The kernels of all buckets that the NPU serves, none twice: a prefill and, for each batch, a decode kernel for
    each kind of layer and capacity. Raises InputError where one does not fit the NPU.
    """
    seqs = dict.fromkeys(size for seq in buckets.seq for size in SEQUENCES if size >= seq and size // 2 < max(seq, 256))
    kinds = tuple(dict.fromkeys(model.layer_kinds))
    specs = [spec for seq in seqs for kind in kinds for spec in _kernels(model, kind, seq, buckets.batch, chunk, dtype)]
    return tuple({spec.name: spec for spec in specs}.values())


def capacity(model: ModelSpec, kind: LayerKind, seq: int, chunk: int) -> int:
    """Entries of a cache: all positions, or a ring with room for the window and a chunk, in whole chunks."""
    rows = min(chunk, seq)
    ring = ceil_div(model.window + rows, lcm(_GRAIN, rows)) * lcm(_GRAIN, rows)
    return ring if kind == "local" and ring < seq else seq


def _kernels(
    model: ModelSpec, kind: LayerKind, seq: int, batches: tuple[int, ...], chunk: int, dtype: NpuDtype
) -> Iterator[NpuKernelSpec]:
    entries, rows = capacity(model, kind, seq, chunk), min(chunk, seq)
    window = model.window if kind == "local" and model.window < seq else None
    name = f"{'local' if window else 'global'}.s{entries}.{dtype}"

    def shape(starts: tuple[int, ...], spread: int, rows: int = 1, batch: int = 1) -> Shape:
        return Shape(model.heads, model.kv_heads, model.head_dim, entries, window, starts, spread, rows, batch, dtype)

    prefill = tuple(s for s in range(0, seq, rows) if entries == seq or s < model.window + rows + entries)
    yield attention_prefill.spec(shape(prefill, rows, rows), f"npu_prefill.{name}.c{rows}")
    spread = max(_GRAIN, seq // _SPREADS) if entries == seq else _GRAIN
    last = seq if entries == seq else min(seq, model.window + spread + entries)
    decode = tuple(range(spread - 1, last, spread))
    for batch in batches:
        yield attention_decode.spec(shape(decode, spread, 1, batch), f"npu_decode.{name}.b{batch}")
