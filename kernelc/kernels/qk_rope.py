"""qk_rope: what stands between the qkv product and prefill attention: QK-norm, RoPE, halves.

    q_chunk[h][r] = rope(rmsnorm(q) * q_norm, start + r) * log2(e) / sqrt(query_scale_dim)
    k_chunk[h][r] = rope(rmsnorm(k) * k_norm, start + r);  v_chunk[h][r] = v

q_chunk f16 [heads, chunk, head_dim], k_chunk and v_chunk f16 [kv_heads, chunk, head_dim], for the rows r of qkv f32
[rows, (heads + 2 kv_heads) head_dim]; row r stands at position `params.start` + r. With log2(e) in the queries,
attention's softmax is exp2 alone. Heads are apart so that a tile of one head lies together; `chunk` is the scratch's
length in rows, in whole tiles. Rows from params.rows on are left as they were.
"""

from collections.abc import Iterator

from kernelc.attention import chunks, head_inputs
from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(
    *,
    chunk: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    query_scale_dim: float,
    norm_eps: float,
    positions: int,
    workgroup: int = 256,
) -> KernelSpec:
    """One kernel; `positions` is the length of the RoPE table."""
    rows_of_heads = heads + 2 * kv_heads
    quads = head_dim // 4
    return KernelSpec(
        name=f"qk_rope.c{chunk}",
        family="qk_rope",
        params=frozen(
            {
                "chunk": chunk,
                "heads": heads,
                "kv_heads": kv_heads,
                "head_dim": head_dim,
                "query_scale": query_scale_dim**-0.5,
                "eps": norm_eps,
            }
        ),
        bindings=(
            *head_inputs(heads, kv_heads, head_dim, positions),
            Binding("q_chunk", "f16x4", (heads, chunk, quads), "w"),
            Binding("k_chunk", "f16x4", (kv_heads, chunk, quads), "w"),
            Binding("v_chunk", "f16x4", (kv_heads, chunk, quads), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(ceil_div(rows_of_heads * 8, workgroup)), Dim(of="rows"), Dim()),
        work=Work(
            chunk,
            8 * chunk * (heads + kv_heads) * head_dim,
            chunk * (rows_of_heads + 1) * head_dim * 4,
            chunk * rows_of_heads * head_dim * 2,
        ),
        requires=("storage16", "subgroup"),
        tags=tags("prefill", chunk=chunk, reads="rows_f32", writes="heads"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel per length of the scratch; local and global layers differ in the table alone."""
    for chunk in chunks(target, buckets):
        yield spec(
            chunk=chunk,
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_dim=model.head_dim,
            query_scale_dim=model.query_scale_dim,
            norm_eps=model.norm_eps,
            positions=max(buckets.seq),
        )
