"""Cases of attn_decode: full caches and rings, from the first position to far past the window."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from kernelc.kernel import Layout
from kernelc.kernels import attn_decode
from kernelc.target import TargetSpec
from kernelrt.params import Params, Sequence
from kernelrt.quant import BODY_QUANTS, QUANTS, padded
from tests.kernels.case import Array, Case
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, EPS, FOUR, ODD, ONE, PAIR, TINY, HeadShape, empty_cache, norm_weight, normal, put
from tests.oracle import layout
from tests.oracle.attention import attention
from tests.oracle.qk_rope import qk_rope

TOLERANCE = {
    "out_halves": 1e-3,
    "out_lanes": 1e-5,
    "out_rows": 1e-5,
    "k_cache": 1e-4,
    "v_cache": 0.0,
    "arrived": 0,
}


@dataclass(frozen=True)
class Cut:
    """How the keys are cut, small enough that a short cache has several splits."""

    splits: int = 1
    split_keys: int = 128
    workgroups: int = 512
    unroll: int = 4
    workgroup: int = 128
    merge_slots: int = 4

    def __str__(self) -> str:
        return (
            f"x{self.splits}.{self.split_keys}.{self.workgroups}.u{self.unroll}.w{self.workgroup}.m{self.merge_slots}"
        )


def cases(target: TargetSpec) -> Iterator[Case]:
    """Positions a row: the first ever, inside, at the ring's end, past it, far past it; three rows live in a bucket
    of eight.
    """
    wide = 16 if target.subgroup >= 16 else 8
    for positions in ((0, 3, 6), (7, 8, 500)):
        yield case(ODD, 7, positions, Cut(unroll=2), "lanes_f32", "f16", 8)
        yield case(ODD, 7, positions, Cut(3, 2, unroll=2), "rows_f16", "f16", 8)
        yield case(ODD, 7, positions, Cut(2, 1, unroll=1, merge_slots=1), "lanes_f32", "f16", 8)
        yield case(ODD, 7, positions, Cut(7, 1, unroll=1, workgroup=64), "rows_f16", "f16", 8)
    for quant in BODY_QUANTS:
        yield case(TINY, 16, (0, 15, 16, 1000), Cut(3, 4, unroll=2), "lanes_f32", quant, 4)
    for quant in ("q4_0", "q8_0"):
        yield case(TINY, 48, (5, 47, 40), Cut(4, 4, workgroups=12, unroll=2), "rows_f32", quant, 4)
    yield case(ONE, 1, (0, 1, 9), Cut(), "rows_f16", "q4_0", 4)  # a window of the token alone
    yield case(ONE, 100, (99, 50), Cut(2, 30, merge_slots=2), "rows_f32", "q8_0", 2)
    yield case(FOUR, 70, (69, 33, 1234), Cut(3, 16, unroll=1), "rows_f16", "q4_0", 3, wide)
    yield case(PAIR, 65, (200,), Cut(unroll=1), "lanes_f32", "q8_0", 1, wide)
    yield case(BIG, 1024, (1500,), Cut(8, 128, unroll=2), "rows_f32", "q4_0", 1)
    yield case(BIG, 512, (511, 300), Cut(4, 128, workgroups=64, unroll=2), "lanes_f32", "q4_0", 2)
    yield case(ONE, 40, (39, 7, 3), Cut(2, 8, unroll=4), "lanes_f32", "q4_0", 3)  # as the plan unrolls
    # Of pinned subgroups, four streams each, as the plan has them on a GPU: sums merge in halves.
    pinned = target.subgroup or 8
    yield case(TINY, 16, (0, 15, 16, 1000), Cut(3, 4, unroll=2), "rows_f32", "q4_0", 4, pinned // 4, pinned)
    yield case(ODD, 7, (7, 8, 500), Cut(2, 1, unroll=1), "rows_f16", "f16", 8, pinned // 4, pinned)
    if target.subgroup >= 32:  # where a lane's registers are the concern
        yield case(BIG, 1024, (1500,), Cut(8, 128, unroll=4), "rows_f32", "q4_0", 1)
        # As the plan for h200 has them.
        yield case(BIG, 1024, (1500,), Cut(16, 64, unroll=2), "rows_f32", "q4_0", 1, 8, 32)
        yield case(BIG, 1024, (1500, 700, 3), Cut(1, 64, unroll=2), "rows_f16", "q4_0", 8, 8, 32)
        yield case(PAIR, 300, (700,), Cut(3, 128, unroll=4), "rows_f32", "q8_0", 1, 16)
        yield case(FOUR, 300, (299, 700), Cut(3, 128, unroll=4), "lanes_f32", "f16", 2, 32)


def case(
    shape: HeadShape,
    capacity: int,
    positions: tuple[int, ...],
    cut: Cut,
    out: Layout,
    quant: str,
    bucket: int,
    lanes: int = 8,
    subgroup: int = 0,
) -> Case:
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    rows, slots = len(positions), bucket + 1
    slot_of = rng.permutation(slots)[:rows]
    qkv = normal(rng, bucket, shape.qkv_rows, spread=2.0)
    q_norm, k_norm = norm_weight(rng, shape.head_dim), norm_weight(rng, shape.head_dim)
    table = shape.table(np.arange(max(positions) + 1))
    new = qk_rope(
        qkv[:rows], table[list(positions)].astype(np.float64), q_norm, k_norm, shape.heads, shape.kv_heads, EPS
    )
    k_cache, v_cache = empty_cache(slots, shape, capacity), empty_cache(slots, shape, capacity)
    expected_out = np.full((bucket, padded(shape.width)), np.nan)
    for row, position in enumerate(positions):
        past = np.arange(max(0, position - capacity), position)  # the oldest is the one that the new key overwrites
        old_k, old_v = (
            normal(rng, len(past), shape.kv_heads, shape.head_dim, spread=1.5).astype(np.float16) for _ in range(2)
        )
        put(k_cache, slot_of[row], past, old_k)
        put(v_cache, slot_of[row], past, old_v)
        kept = past > position - capacity
        k, v = (
            np.concatenate([old[kept].astype(np.float64), fresh[row : row + 1]])
            for old, fresh in ((old_k, new.k), (old_v, new.v))
        )
        seen = np.ones((1, len(k)), np.bool_)
        value = attention(new.q[row : row + 1], k, v, seen, shape.query_scale_dim**-0.5)
        expected_out[row] = layout.pad(value.reshape(1, -1))
    after_k, after_v = k_cache.copy(), v_cache.copy()
    for row, position in enumerate(positions):
        put(after_k, slot_of[row], np.array([position]), new.k[row : row + 1])
        put(after_v, slot_of[row], np.array([position]), new.v[row : row + 1])
    spec = attn_decode.spec( capacity=capacity, heads=shape.heads, kv_heads=shape.kv_heads, head_dim=shape.head_dim,
        query_scale_dim=shape.query_scale_dim, norm_eps=EPS, out=out, quant=quant, positions=len(table), lanes=lanes,
        splits=cut.splits, split_keys=cut.split_keys, workgroups=cut.workgroups, unroll=cut.unroll,
        workgroup=cut.workgroup, merge_slots=cut.merge_slots, subgroup=subgroup or target_subgroup(lanes),
    )  # fmt: skip
    arrays = {"qkv": qkv, "rope": table, "q_norm": q_norm, "k_norm": k_norm, "k_cache": k_cache, "v_cache": v_cache}
    expected: dict[str, Array] = {"k_cache": after_k, "v_cache": after_v, **_results(expected_out, out)}
    if any(binding.name == "arrived" for binding in spec.bindings):
        arrays["arrived"] = expected["arrived"] = np.zeros((bucket, shape.kv_heads), np.uint32)
    sequences = tuple(Sequence(position=p, slot=int(s)) for p, s in zip(positions, slot_of, strict=True))
    unit = QUANTS[quant].unit

    def view(outputs: Mapping[str, Array]) -> Mapping[str, Array]:
        seen = dict(outputs) | {name: outputs[name].view(np.float16) for name in ("k_cache", "v_cache")}
        if out == "lanes_f32":
            seen["out_lanes"] = layout.from_lanes(outputs["out_lanes"].reshape(bucket, -1), unit, 4).ravel()
        return seen

    return Case(
        f"attn_decode.{shape}.c{capacity}.p{'_'.join(map(str, positions))}.{cut}.{out}.{quant}"
        f"{f'.l{lanes}of{subgroup}' if subgroup else ''}",
        spec, arrays, expected, Params(rows, sequences=sequences), bucket, TOLERANCE, seed, {"slots": slots}, view,
    )  # fmt: skip


def _results(rows: Array, out: Layout) -> dict[str, Array]:
    return {{"rows_f16": "out_halves", "rows_f32": "out_rows", "lanes_f32": "out_lanes"}[out]: rows}


def target_subgroup(lanes: int) -> int:
    """A key spread over more than eight lanes needs subgroups of that many; any will do for eight."""
    return 32 if lanes > 8 else 0
