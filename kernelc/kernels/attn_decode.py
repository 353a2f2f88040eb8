"""attn_decode: attention of a decode step, whole: QK-norm, RoPE, KV append, split-KV flash attention, merge.

For each row (a sequence with its position p and cache slot) and query head h, with kv head h // (heads / kv_heads):

    q = rope(rmsnorm(q) * q_norm, p) / sqrt(query_scale_dim);  k = rope(rmsnorm(k) * k_norm, p)
    out = softmax(q K^T) V over the keys at positions max(0, p - capacity + 1) .. p

qkv f32 [rows, (heads + 2 kv_heads) head_dim]; caches f16 [slots, kv_heads, capacity, head_dim], position p at entry
p % capacity. A local layer's cache is a ring of min(window, seq) entries, a global layer's holds `seq`: the
capacity alone is the difference. The new key and value come from qkv, never from the cache: the entry they
overwrite is the one that leaves the window, and no workgroup of the dispatch reads it. A workgroup takes one kv
head and one split of the keys; the last one of a row and kv head to arrive merges the splits' partial results, so
that the output is final. A form's grid has as many splits as its smallest bucket wants: many rows need none.
`arrived` must be zero before the first dispatch and is zero after each.
"""

from collections.abc import Iterator

from kernelc.attention import capacities, head_inputs
from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Layout, Work, ceil_div, frozen, tags
from kernelc.product.forms import row_layout
from kernelc.product.matrix import Matrix
from kernelc.product.matvec import MATVEC_COLUMNS
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import QUANTS, padded

_STREAM = 32  # accumulators of one lane that keep registers free for loads in flight


def spec(
    *,
    capacity: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    query_scale_dim: float,
    norm_eps: float,
    out: Layout,
    quant: str = "q4_0",
    positions: int | None = None,
    splits: int = 1,
    split_keys: int = 128,
    workgroups: int = 512,
    lanes: int = 8,
    unroll: int = 4,
    workgroup: int = 128,
    merge_slots: int = 4,
    subgroup: int = 0,
) -> KernelSpec:
    """One kernel.

    `out` is rows_f16, rows_f32 or lanes_f32; `quant` gives the reader's unit in the lanes layout. `splits` is the most
    that the keys are cut into where all rows of a bucket live; where fewer do, the others' workgroups are more of them.
    At run time as many are used as give each `split_keys` keys and the device about `workgroups` workgroups. `lanes`
    share a key (8, or a power of two up to the subgroup's size), `unroll` keys are in flight in each. `merge_slots`
    subgroups merge their sums at once. `positions` is the length of the RoPE table, the capacity where not given.
    ValueError for a workgroup that is too small to stage the heads.
    """
    group, width, wide = heads // kv_heads, heads * head_dim, padded(heads * head_dim)
    most = max(1, ceil_div(capacity - 1, split_keys))
    if workgroup < _lanes_of_heads(group):
        raise ValueError(f"attn_decode: {group} queries, a key and a value take {_lanes_of_heads(group)} lanes")
    cache = ("slots", kv_heads, capacity, head_dim // 8)
    outputs = {
        "rows_f16": [Binding("out_halves", "f16x4", ("rows", wide // 4), "w")],
        "rows_f32": [Binding("out_rows", "f32x4", ("rows", wide // 4), "w")],
        "lanes_f32": [Binding("out_lanes", "f32x4", ("rows", wide // 4), "w")],
    }[out]
    out_bytes = 2 * wide if out == "rows_f16" else 4 * wide
    partials = [
        Binding("partial", "f32x4", ("rows", kv_heads * splits, group * head_dim // 4), "rw"),
        Binding("partial_stats", "f32x2", ("rows", kv_heads * splits, group), "rw"),
        Binding("arrived", "u32", ("rows", kv_heads), "rw"),
    ]
    qkv_rows = (heads + 2 * kv_heads) * head_dim
    return KernelSpec(
        name=f"attn_decode.s{capacity}.{out}",
        family="attn_decode",
        params=frozen(
            {
                "capacity": capacity,
                "heads": heads,
                "kv_heads": kv_heads,
                "head_dim": head_dim,
                "query_scale": query_scale_dim**-0.5,
                "eps": norm_eps,
                "out": out,
                "unit": QUANTS[quant].unit,
                "width": width,
                "padded": wide,
                "most": most,
                "splits": splits,
                "split_keys": split_keys,
                "workgroups": workgroups,
                "lanes": lanes,
                "subgroup": subgroup,
                "unroll": unroll,
                "merge_slots": merge_slots,
            }
        ),
        bindings=(
            *head_inputs(heads, kv_heads, head_dim, positions or capacity),
            Binding("k_cache", "u32x4", cache, "rw"),
            Binding("v_cache", "u32x4", cache, "rw"),
            *(partials if most > 1 else []),
            *outputs,
        ),
        workgroup=workgroup,
        grid=(Dim(kv_heads), Dim(of="rows"), Dim(splits)),
        work=Work(
            1,
            4 * heads * capacity * head_dim,
            4 * kv_heads * capacity * head_dim + 4 * qkv_rows,
            4 * kv_heads * head_dim + out_bytes,
        ),
        requires=(
            "float16",
            "subgroup",
            *(("storage16",) if out == "rows_f16" else ()),
            *(("memory_model",) if most > 1 else ()),
        ),
        subgroup=subgroup,
        nonprivate=tuple(binding.name for binding in partials) if most > 1 else (),
        tags=tags("decode", capacity=capacity, reads="rows_f32", writes=out),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel per cache capacity and output form; a batch is in the grid, not in the kernel."""
    o_proj = Matrix("o_proj", model.hidden, model.attn_width, buckets.quant)
    least: dict[Layout, int] = {}  # rows of the smallest bucket that takes a form
    for batch in sorted(buckets.batch, reverse=True):
        out = "rows_f16" if batch > MATVEC_COLUMNS else row_layout(target, o_proj) if batch == 1 else "lanes_f32"
        least[out] = batch
    split_keys = target.tune.get("attn_split_keys", 128)
    workgroups = target.tune.get("attn_workgroups", 512)
    subgroup = target.pinned_subgroup
    whole = subgroup or target.max_subgroup or 8  # no subgroup is partly filled
    least_lanes = max(_lanes_of_heads(model.group), target.tune.get("attn_decode_workgroup", 128))
    workgroup = ceil_div(least_lanes, whole) * whole
    lanes = _lanes(model.group * model.head_dim, subgroup)
    for capacity in capacities(model, buckets):
        for out, rows in sorted(least.items(), key=lambda item: item[1]):
            yield spec(
                capacity=capacity,
                heads=model.heads,
                kv_heads=model.kv_heads,
                head_dim=model.head_dim,
                query_scale_dim=model.query_scale_dim,
                norm_eps=model.norm_eps,
                out=out,
                quant=buckets.quant,
                positions=max(buckets.seq),
                splits=max(1, min(ceil_div(capacity - 1, split_keys), workgroups // (model.kv_heads * rows))),
                split_keys=split_keys,
                workgroups=workgroups,
                lanes=lanes,
                unroll=target.tune.get("attn_unroll", 4),
                workgroup=workgroup,
                merge_slots=max(
                    1, min(4, workgroup // (subgroup or 32), target.shared_memory // 8 // model.group // model.head_dim)
                ),
                subgroup=subgroup,
            )


def _lanes_of_heads(group: int) -> int:
    """Lanes that stage the queries of a group, the new key and the new value: eight a head."""
    return 8 * (group + 2)


def _lanes(accumulators: int, subgroup: int) -> int:
    """Lanes that share a key: as few as keep each one's accumulators within bounds, as many as a subgroup has."""
    lanes = 8
    while lanes * _STREAM < accumulators and 2 * lanes <= subgroup:
        lanes *= 2
    return lanes
