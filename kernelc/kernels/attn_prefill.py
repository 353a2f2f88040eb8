"""attn_prefill: flash attention of a prefill chunk, causal and windowed.

    out[r][h] = softmax2(q_chunk[h][r] K^T) V,  keys at positions max(0, p - window + 1) .. p,  p = params.start + r

softmax2 is softmax with powers of two (`qk_rope` has put scale and log2(e) into the queries). Keys before
params.start come from the cache of params.slot (f16 [slots, kv_heads, capacity, head_dim], position p at entry p %
capacity), the others from the chunk itself (f16 [kv_heads, chunk, head_dim]), so that a ring needs no more than its
window, whatever the chunk's length. Query head h uses kv head h // (heads / kv_heads). out f16 [rows, padded(heads
head_dim)], the tail zero. Blocks of keys that no query of a tile sees are not visited. `form` is plain (tiles in
shared memory, f32; anywhere) or coopmat (16 x 16 x 16, f16 operands, f32 sums).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kernelc.attention import caches_and_chunks
from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Value, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.quant import padded

_EDGE = 16  # of a cooperative matrix
_LANES = 32  # of the subgroups that share the softmax of its rows, two lanes a row


@dataclass(frozen=True, slots=True)
class Plain:
    """Eight lanes share `rows` queries; `keys` keys are in shared memory at a time. `workgroup` is in threads."""

    rows: int
    keys: int
    workgroup: int = 128

    @property
    def queries(self) -> int:
        return self.workgroup // 8 * self.rows

    def shared(self, head_dim: int) -> int:
        """Bytes of shared memory: queries, keys and values as halves, weights as floats, each row padded against
        bank conflicts.
        """
        return (self.queries + 2 * self.keys) * (2 * head_dim + 16) + self.queries * 4 * (self.keys + 4)

    @staticmethod
    def tuned(target: TargetSpec, head_dim: int) -> "Plain":
        """The largest tile that fits, with at most 64 accumulators a lane."""
        for rows, keys in ((4, 32), (2, 32), (2, 16), (1, 16)):
            cut = Plain(rows, keys)
            if rows * head_dim <= 512 and cut.shared(head_dim) <= min(target.shared_memory, 32768):
                return cut
        return Plain(1, 8, 64)


@dataclass(frozen=True, slots=True)
class Coopmat:
    """`row_groups` of 16 queries; `halves` subgroups share a row group, each with its part of the head.

    `ahead` loads the next block of keys during this one's computation, where there are registers for it.
    """

    row_groups: int
    halves: int
    ahead: bool = True
    keys: int = 32

    @property
    def queries(self) -> int:
        return _EDGE * self.row_groups

    @property
    def workgroup(self) -> int:
        return self.row_groups * self.halves * _LANES

    def shared(self, head_dim: int) -> int:
        """Bytes of shared memory: keys and values as halves, scores as floats, weights as halves where a row group is
        one subgroup's (else they take the keys' place), and a factor a row; each row padded against bank conflicts.
        """
        rows = self.queries * self.halves
        weights = self.queries * (2 * self.keys + 16) if self.halves == 1 else 0
        return 4 * self.keys * head_dim + 16 * (self.keys + head_dim) + rows * (4 * self.keys + 20) + weights

    @staticmethod
    def tuned(target: TargetSpec, head_dim: int, chunk: int) -> "Coopmat | None":
        """The cut for a head; None where target or head do not fit cooperative matrices. `attn_prefill_row_groups` of
        the target's [tune] table are halved until they divide the chunk and fit shared memory.

        Above 128 elements the accumulators of a whole head leave no registers, so two subgroups share it.
        """
        if "coopmat_f16" not in target.features or target.subgroup != _LANES:
            return None
        if head_dim > 128:
            return Coopmat(2, 2, ahead=False) if head_dim % (2 * _EDGE) == 0 else None
        cut = Coopmat(target.tune.get("attn_prefill_row_groups", 4), 1)
        while cut.row_groups > 1 and (chunk % cut.queries or cut.shared(head_dim) > target.shared_memory):
            cut = replace(cut, row_groups=cut.row_groups // 2)
        return cut if head_dim % _EDGE == 0 else None


def forms(target: TargetSpec, head_dim: int, chunk: int) -> tuple[Plain | Coopmat, ...]:
    """The forms that a target has for heads of `head_dim` and a chunk's scratch of `chunk` rows; plain always."""
    matrices = Coopmat.tuned(target, head_dim, chunk)
    return (Plain.tuned(target, head_dim), *([matrices] if matrices else []))


def spec(
    *,
    layer: LayerKind,
    capacity: int,
    window: int | None,
    chunk: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    cut: Plain | Coopmat,
) -> KernelSpec:
    """One kernel; `window` None sees everything before, `chunk` is the scratch's length in rows."""
    form = "coopmat" if isinstance(cut, Coopmat) else "plain"
    if isinstance(cut, Coopmat) and (head_dim % (_EDGE * cut.halves) or cut.keys % _EDGE):
        raise ValueError(
            f"attn_prefill: cooperative matrices cannot cut heads of {head_dim} in {cut.halves}, or {cut.keys} keys"
        )
    if chunk % cut.queries:
        raise ValueError(f"attn_prefill: a chunk of {chunk} rows is no whole tiles of {cut.queries} queries")
    width, wide = heads * head_dim, padded(heads * head_dim)
    units = head_dim // 8
    cache = ("slots", kv_heads, capacity, units)
    cuts: dict[str, Value] = (
        {
            "row_groups": cut.row_groups,
            "halves": cut.halves,
            "ahead": cut.ahead,
            "subgroup": _LANES,
            "operand": "f16",
        }
        if isinstance(cut, Coopmat)
        else {"lane_rows": cut.rows}
    )
    seen = min(capacity, window or capacity)
    return KernelSpec(
        name=f"attn_prefill.{layer}.s{capacity}.c{chunk}.{form}",
        family="attn_prefill",
        params=frozen(
            {
                "form": form,
                "capacity": capacity,
                "window": window or 0,
                "chunk": chunk,
                "heads": heads,
                "kv_heads": kv_heads,
                "head_dim": head_dim,
                "padded": wide,
                "queries": cut.queries,
                "keys": cut.keys,
                **cuts,
            }
        ),
        bindings=(
            Binding("params", "params", ()),
            Binding(
                "q_chunk",
                "f16x4" if form == "coopmat" else "u32x4",
                (heads, chunk, head_dim // 4 if form == "coopmat" else units),
            ),
            Binding("k_chunk", "u32x4", (kv_heads, chunk, units)),
            Binding("v_chunk", "u32x4", (kv_heads, chunk, units)),
            Binding("k_cache", "u32x4", cache),
            Binding("v_cache", "u32x4", cache),
            Binding("out_halves", "f16x4", ("rows", wide // 4), "w"),
        ),
        workgroup=cut.workgroup,
        grid=(Dim(of="rows", per=cut.queries), Dim(heads), Dim()),
        work=Work(
            chunk,
            4 * heads * head_dim * _pairs(chunk, capacity, window),
            2 * chunk * width + 4 * kv_heads * head_dim * (chunk + seen),
            2 * chunk * wide,
        ),
        requires=("float16", "storage16", "subgroup", *(("coopmat_f16", "memory_model") if form == "coopmat" else ())),
        subgroup=_LANES if isinstance(cut, Coopmat) else 0,
        tags=tags(
            "prefill",
            layer=layer,
            capacity=capacity,
            chunk=chunk,
            form="coopmat" if form == "coopmat" else "tile",
            math="f16" if form == "coopmat" else "f32",
            reads="heads",
            writes="rows_f16",
        ),
    )


def _pairs(chunk: int, capacity: int, window: int | None) -> int:
    """Queries times the keys that each sees: of the last chunk in a full cache, or one past a ring's window."""
    ring = window is not None and window <= capacity
    rows = chunk if ring else min(chunk, capacity)
    start = capacity if ring else capacity - rows
    return sum(min(start + row + 1, window or start + rows) for row in range(rows))


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A kernel per cache capacity and chunk length that meet: plain, and with cooperative matrices where they fit."""
    for layer, capacity, chunk in caches_and_chunks(model, target, buckets):
        for cut in forms(target, model.head_dim, chunk):
            yield spec(
                layer=layer,
                capacity=capacity,
                window=model.window if layer == "local" else None,
                chunk=chunk,
                heads=model.heads,
                kv_heads=model.kv_heads,
                head_dim=model.head_dim,
                cut=cut,
            )
