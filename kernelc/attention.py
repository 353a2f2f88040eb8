"""What the attention families share: the caches that a bundle has, and the scratch of a prefill chunk."""

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec

QUERY_TILE = 64  # rows that a chunk's scratch is padded to: every query tile divides it


def capacities(model: ModelSpec, buckets: Buckets) -> tuple[int, ...]:
    """The caches' capacities in tokens, none twice: rings stop at the window."""
    found = [capacity_of(model, kind, seq) for kind in model.layer_kinds for seq in buckets.seq]
    return tuple(dict.fromkeys(found))


def chunks(target: TargetSpec, buckets: Buckets) -> tuple[int, ...]:
    """The lengths in rows of the prefill chunks' scratch, none twice."""
    return tuple(dict.fromkeys(scratch_rows(target, seq) for seq in buckets.seq))


def caches_and_chunks(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> tuple[tuple[LayerKind, int, int], ...]:
    """(kind of layer, capacity, scratch rows) of every sequence bucket, none twice."""
    found: list[tuple[LayerKind, int, int]] = [
        (kind, capacity_of(model, kind, seq), scratch_rows(target, seq))
        for kind in model.layer_kinds
        for seq in buckets.seq
    ]
    return tuple(dict.fromkeys(found))


def capacity_of(model: ModelSpec, kind: LayerKind, seq: int) -> int:
    """The cache of a layer in tokens, where a sequence holds `seq`."""
    return min(model.window, seq) if kind == "local" else seq


def scratch_rows(target: TargetSpec, seq: int) -> int:
    """The length in rows of a prefill chunk's scratch."""
    return ceil_div(min(seq, prefill_rows(target)), QUERY_TILE) * QUERY_TILE


def head_inputs(heads: int, kv_heads: int, head_dim: int, positions: int) -> tuple[Binding, ...]:
    """What a kernel with QK-norm and RoPE reads: templates/glsl/lib/rope.glsl. `positions`: of the RoPE table."""
    quads = head_dim // 4
    return (
        Binding("params", "params", ()),
        Binding("qkv", "f32x4", ("rows", (heads + 2 * kv_heads) * quads)),
        Binding("rope", "f32x4", (positions, quads)),
        Binding("q_norm", "f32x4", (quads,)),
        Binding("k_norm", "f32x4", (quads,)),
    )


def append_spec(
    *,
    family: str,
    name: str,
    caches: tuple[str, str],
    chunk: int,
    kv_heads: int,
    head_dim: int,
    workgroup: int,
    capacity: int = 0,
    ring: int = 0,
) -> KernelSpec:
    """A kernel that puts a prefill chunk's keys and values, in units of 16 bytes, into the two `caches`: the GPU's of
    `capacity` entries, or the NPU's of `ring`.
    """
    units, length = head_dim // 8, capacity or ring
    entries = {"capacity": capacity} if capacity else {"ring": ring}
    source, cache = (kv_heads, chunk, units), ("slots", kv_heads, length, units)
    moved = 2 * min(chunk, length) * kv_heads * head_dim * 2
    return KernelSpec(
        name=name,
        family=family,
        params=frozen({**entries, "chunk": chunk, "kv_heads": kv_heads, "units": units}),
        bindings=(
            Binding("params", "params", ()),
            Binding("k_chunk", "u32x4", source),
            Binding("v_chunk", "u32x4", source),
            *(Binding(cache_name, "u32x4", cache, "w") for cache_name in caches),
        ),
        workgroup=workgroup,
        grid=(Dim(ceil_div(kv_heads * units, workgroup)), Dim(of="rows"), Dim()),
        work=Work(chunk, 0, moved, moved),
        tags=tags("prefill", capacity=capacity, ring=ring, chunk=chunk, reads="heads"),
    )
