"""npu_in: a prefill chunk's queries, keys and values as the NPU's attention takes them: bfloat16, in its own ring.

    q[h][r] = bf16(q_chunk[h][r]);  k[h][p % ring] = bf16(the key at position p), and v

for the chunk's rows r, and for the positions p that its queries see: max(0, start - window + 1) .. start + rows - 1.
Keys before params.start come from the GPU's cache of params.slot (f16 [slots, kv_heads, cached, head_dim], position p
at entry p % cached), the others from the chunk (f16 [kv_heads, chunk, head_dim]). q bf16 [heads, rows, head_dim], k and
v bf16 [kv_heads, ring, head_dim], two in a word. So the NPU's buffers serve every layer and slot in turn.
"""

from collections.abc import Iterator

from kernelc.attention import QUERY_TILE
from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.npu.plan import plan
from kernelc.product.tiles import prefill_rows
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
    if not target.npu:
        return
    npu = [kernel for kernel in plan(model, buckets) if kernel.family == "attention_prefill"]
    sizes = [({a.name: a.shape for a in kernel.arguments}, dict(kernel.tags)["window"]) for kernel in npu]
    found: dict[str, KernelSpec] = {}
    for seq in buckets.seq:
        for kind in dict.fromkeys(model.layer_kinds):
            window = model.window if kind == "local" and model.window < seq else None
            rows = min(seq, prefill_rows(target))
            rings = [s["k"][1] for s, seen in sizes if s["q"][1] == rows and seen == (window or 0)]
            # The runtime takes the smallest too (kernelrt.npu.offload.find_attention).
            fitting = [ring for ring in rings if ring >= seq or (window and ring >= window - 1 + rows)]
            if not fitting:
                continue
            made = spec(
                layer=kind,
                cached=min(model.window, seq) if kind == "local" else seq,
                window=window,
                chunk=ceil_div(rows, QUERY_TILE) * QUERY_TILE,
                rows=rows,
                ring=min(fitting),
                heads=model.heads,
                kv_heads=model.kv_heads,
                head_dim=model.head_dim,
            )
            found[made.name] = made
    yield from found.values()
