"""Cases of qk_rope."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import qk_rope
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, EPS, FOUR, ODD, TINY, HeadShape, norm_weight, normal
from tests.oracle.qk_rope import qk_rope as oracle

# shape, rows, start, capacity of the bucket, length of the scratch, workgroup
SHAPES = (
    (ODD, 5, 0, 33, 64, 256),
    (ODD, 64, 1000, 64, 64, 8),
    (TINY, 70, 17, 100, 128, 64),
    (FOUR, 3, 501, 8, 64, 256),
    (BIG, 9, 131000, 16, 64, 256),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in SHAPES:
        yield case(*shape)


def case(shape: HeadShape, rows: int, start: int, capacity: int, chunk: int, workgroup: int) -> Case:
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    qkv = normal(rng, capacity, shape.qkv_rows, spread=3.0)
    q_norm, k_norm = norm_weight(rng, shape.head_dim), norm_weight(rng, shape.head_dim)
    table = np.full((start + rows, shape.head_dim // 2, 2), np.nan, np.float32)
    table[start:] = shape.table(np.arange(start, start + rows))
    made = oracle(qkv[:rows], table[start:].astype(np.float64), q_norm, k_norm, shape.heads, shape.kv_heads, EPS)
    scale = np.log2(np.e) / np.sqrt(shape.query_scale_dim)
    expected = {"q_chunk": made.q * scale, "k_chunk": made.k, "v_chunk": made.v}
    return Case(
        f"qk_rope.{shape}.{rows}of{capacity}.at{start}.w{workgroup}",
        qk_rope.spec(
            chunk=chunk, heads=shape.heads, kv_heads=shape.kv_heads, head_dim=shape.head_dim, positions=len(table),
            query_scale_dim=shape.query_scale_dim, norm_eps=EPS, workgroup=workgroup,
        ),
        {"qkv": qkv, "rope": table, "q_norm": q_norm, "k_norm": k_norm},
        {name: by_head(heads, chunk) for name, heads in expected.items()},
        Params(rows, start),
        capacity,
        1e-3,
        seed,
    )  # fmt: skip


def by_head(heads: np.ndarray, chunk: int) -> np.ndarray:
    """[rows, heads, head_dim] -> the scratch's [heads, chunk, head_dim], NaN where there is no row."""
    out = np.full((heads.shape[1], chunk, heads.shape[2]), np.nan, heads.dtype)
    out[:, : len(heads)] = heads.swapaxes(0, 1)
    return out
