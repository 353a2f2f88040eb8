"""npu_in: a prefill chunk's queries, keys and values as the NPU's attention takes them: bfloat16, in its own ring.

    q[h][r] = bf16(q_chunk[h][r]);  k[h][p % ring] = bf16(the key at position p), and v

for the chunk's rows r, and for the positions p that its queries see: max(0, start - window + 1) .. start + rows - 1.
Keys before params.start come from the GPU's cache of params.slot (f16 [slots, kv_heads, cached, head_dim], position p
at entry p % cached), the others from the chunk (f16 [kv_heads, chunk, head_dim]). q bf16 [heads, rows, head_dim], k and
v bf16 [kv_heads, ring, head_dim], two in a word. So the NPU's buffers serve every layer and slot in turn.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.npu.plan import beside
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec


def spec(
    *,
    layer: LayerKind,
    cached: int,
    window: int | None,
    chunk: int,
    rows: int,
    ring: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    workgroup: int = 256,
) -> KernelSpec:
    """One kernel; `window` None sees everything before. `rows` and `ring` are the NPU kernel's."""
    if window and cached < window - 1:
        raise ValueError(f"npu_in: a cache of {cached} entries cannot hold a window of {window}")
    units = head_dim // 8
    source, cache, entries = (kv_heads, chunk, units), ("slots", kv_heads, cached, units), (kv_heads, ring, units)
    moved = 2 * (heads * rows + 2 * kv_heads * ring) * head_dim
    return KernelSpec(
        name=f"npu_in.{layer}.s{cached}.c{chunk}.n{ring}",
        family="npu_in",
        params=frozen(
            {
                "cached": cached,
                "window": window or 0,
                "chunk": chunk,
                "rows": rows,
                "ring": ring,
                "heads": heads,
                "kv_heads": kv_heads,
                "units": units,
            }
        ),
        bindings=(
            Binding("params", "params", ()),
            Binding("q_chunk", "u32x4", (heads, chunk, units)),
            Binding("k_chunk", "u32x4", source),
            Binding("v_chunk", "u32x4", source),
            Binding("k_cache", "u32x4", cache),
            Binding("v_cache", "u32x4", cache),
            Binding("npu_q", "u32x4", (heads, rows, units), "w"),
            Binding("npu_k", "u32x4", entries, "w"),
            Binding("npu_v", "u32x4", entries, "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(ceil_div(max(heads, kv_heads) * units, workgroup)), Dim(max(ring, rows)), Dim()),
        work=Work(rows, 0, moved, moved),
        tags=tags("prefill", layer=layer, capacity=cached, chunk=chunk, ring=ring, reads="heads"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel for each cache and chunk whose attention the target's NPU computes."""
    found = (
        spec(
            layer=each.kind,
            cached=each.cached,
            window=each.ring.window or None,
            chunk=each.chunk,
            rows=each.ring.rows,
            ring=each.ring.keys,
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_dim=model.head_dim,
        )
        for each in beside(model, target, buckets, "prefill")
    )
    yield from {made.name: made for made in found}.values()
