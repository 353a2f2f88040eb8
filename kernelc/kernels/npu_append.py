"""npu_append: a prefill chunk's keys and values into the cache that the NPU's decode steps read.

    cache[params.slot][h][(start + r) % ring] = bf16(chunk[h][r])   for the last min(rows, ring) rows r, K and V

chunk f16 [kv_heads, chunk, head_dim], caches bf16 [slots, kv_heads, ring, head_dim], two in a word. It goes beside
`kv_append`, whichever device computes the chunk's attention.
"""

from collections.abc import Iterator

from kernelc.attention import append_spec
from kernelc.buckets import Buckets
from kernelc.kernel import KernelSpec
from kernelc.npu.plan import beside
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(*, ring: int, chunk: int, kv_heads: int, head_dim: int, workgroup: int = 256) -> KernelSpec:
    """One kernel."""
    return append_spec(
        family="npu_append",
        name=f"npu_append.n{ring}.c{chunk}",
        caches=("npu_k", "npu_v"),
        chunk=chunk,
        kv_heads=kv_heads,
        head_dim=head_dim,
        workgroup=workgroup,
        ring=ring,
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel for each NPU cache and chunk length that meet."""
    found = ((each.ring.keys, each.chunk) for each in beside(model, target, buckets, "decode"))
    for ring, chunk in dict.fromkeys(found):
        yield spec(ring=ring, chunk=chunk, kv_heads=model.kv_heads, head_dim=model.head_dim)
