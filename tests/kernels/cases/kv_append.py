"""Cases of kv_append: chunks shorter and longer than the cache, at its start and in the middle of a ring."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import kv_append
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.cases.qk_rope import by_head
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, ODD, TINY, HeadShape, empty_cache, normal, put

SLOTS, SLOT = 3, 1
# shape, capacity of the cache, rows, start, capacity of the bucket, length of the scratch, workgroup
SHAPES = (
    (ODD, 7, 5, 0, 20, 64, 256),
    (ODD, 7, 33, 11, 64, 64, 8),
    (ODD, 100, 64, 36, 64, 64, 256),
    (TINY, 16, 16, 1000, 100, 128, 64),
    (TINY, 16, 1, 15, 1, 64, 64),
    (BIG, 1024, 50, 1000, 64, 64, 256),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in SHAPES:
        yield case(*shape)


def case(shape: HeadShape, capacity: int, rows: int, start: int, bucket: int, chunk: int, workgroup: int) -> Case:
    """Halves are moved, so the result is the same to the bit. What was in the cache before is NaN, and stays."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    fresh = {name: normal(rng, rows, shape.kv_heads, shape.head_dim).astype(np.float16) for name in "kv"}
    expected = {f"{name}_cache": empty_cache(SLOTS, shape, capacity) for name in "kv"}
    for name, heads in fresh.items():
        for row in range(rows):
            put(expected[f"{name}_cache"], SLOT, np.array([start + row]), heads[row : row + 1])
    return Case(
        f"kv_append.{shape}.c{capacity}.{rows}of{bucket}.at{start}.w{workgroup}",
        kv_append.spec(
            capacity=capacity,
            chunk=chunk,
            kv_heads=shape.kv_heads,
            head_dim=shape.head_dim,
            workgroup=workgroup,
        ),
        {f"{name}_chunk": by_head(heads, chunk) for name, heads in fresh.items()},
        expected,
        Params(rows, start, SLOT),
        bucket,
        0.0,
        seed,
        {"slots": SLOTS},
        lambda out: {name: array.view(np.float16) for name, array in out.items()},
    )
