"""kv_append: a prefill chunk's keys and values into the cache, after its attention.

    cache[params.slot][h][(start + r) % capacity] = chunk[h][r]    for the last min(rows, capacity) rows r, K and V

chunk f16 [kv_heads, chunk, head_dim], caches f16 [slots, kv_heads, capacity, head_dim]. Attention of the chunk
reads its new keys from the chunk and the old ones from the cache, so a ring needs no more than its window and is
overwritten only afterwards.
"""

from collections.abc import Iterator

from kernelc.attention import append_spec, caches_and_chunks
from kernelc.buckets import Buckets
from kernelc.kernel import KernelSpec
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(*, capacity: int, chunk: int, kv_heads: int, head_dim: int, workgroup: int = 256) -> KernelSpec:
    """One kernel."""
    return append_spec(
        family="kv_append",
        name=f"kv_append.s{capacity}.c{chunk}",
        caches=("k_cache", "v_cache"),
        chunk=chunk,
        kv_heads=kv_heads,
        head_dim=head_dim,
        workgroup=workgroup,
        capacity=capacity,
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel per cache capacity and chunk length that meet."""
    found = ((capacity, chunk) for _, capacity, chunk in caches_and_chunks(model, target, buckets))
    for capacity, chunk in dict.fromkeys(found):
        yield spec(capacity=capacity, chunk=chunk, kv_heads=model.kv_heads, head_dim=model.head_dim)
