"""npu_step: what stands between the qkv product and the NPU's attention of a decode step: QK-norm, RoPE, KV append.

For each row, with its position p and cache slot s:

    npu_q[s][h] = bf16(rope(rmsnorm(q) * q_norm, p) * log2(e) / sqrt(query_scale_dim))
    k_cache[s][h][p % cached] = rope(rmsnorm(k) * k_norm, p);  v_cache[s][h][p % cached] = v
    npu_k[s][h][p % ring], npu_v[s][h][p % ring]: the same

qkv f32 [rows, (heads + 2 kv_heads) head_dim]; npu_q bf16 [slots, stride], heads x head_dim of it, and the NPU's caches
bf16 [slots, kv_heads, ring, head_dim], two in a word; the GPU's f16 [slots, kv_heads, cached, head_dim]. The GPU's are
kept too, so that it can go on by itself from any step.
"""

from collections.abc import Iterator

from kernelc.attention import head_inputs
from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.npu.plan import apart, beside
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(
    *,
    cached: int,
    ring: int,
    stride: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    query_scale_dim: float,
    norm_eps: float,
    positions: int,
    workgroup: int = 256,
) -> KernelSpec:
    """One kernel; `positions` is the length of the RoPE table, `stride` the elements between sequences in npu_q."""
    rows_of_heads, quads = heads + 2 * kv_heads, head_dim // 4
    own, npu = ("slots", kv_heads, cached, quads), ("slots", kv_heads, ring, quads)
    return KernelSpec(
        name=f"npu_step.s{cached}.n{ring}",
        family="npu_step",
        params=frozen(
            {
                "cached": cached,
                "ring": ring,
                "stride": stride,
                "heads": heads,
                "kv_heads": kv_heads,
                "head_dim": head_dim,
                "query_scale": query_scale_dim**-0.5,
                "eps": norm_eps,
            }
        ),
        bindings=(
            *head_inputs(heads, kv_heads, head_dim, positions),
            Binding("k_cache", "f16x4", own, "w"),
            Binding("v_cache", "f16x4", own, "w"),
            Binding("npu_q", "u32x2", ("slots", stride // 4), "w"),
            Binding("npu_k", "u32x2", npu, "w"),
            Binding("npu_v", "u32x2", npu, "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(ceil_div(rows_of_heads * 8, workgroup)), Dim(of="rows"), Dim()),
        work=Work(
            1,
            8 * (heads + kv_heads) * head_dim,
            (rows_of_heads + 1) * head_dim * 4,
            (heads + 4 * kv_heads) * head_dim * 2,
        ),
        requires=("storage16", "subgroup"),
        tags=tags("decode", capacity=cached, ring=ring, reads="rows_f32"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel for each pair of caches."""
    found = ((each.cached, each.ring.keys) for each in beside(model, target, buckets, "decode"))
    for cached, ring in dict.fromkeys(found):
        yield spec(
            cached=cached,
            ring=ring,
            stride=apart(model),
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_dim=model.head_dim,
            query_scale_dim=model.query_scale_dim,
            norm_eps=model.norm_eps,
            positions=max(buckets.seq),
        )
