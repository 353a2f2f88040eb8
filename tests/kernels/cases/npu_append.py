"""Cases of npu_append: chunks shorter and longer than the ring, at its start and past its end."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import npu_append
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.cases.npu_in import UNTOUCHED, pairs_apart
from tests.kernels.cases.qk_rope import by_head
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, ODD, TINY, HeadShape, normal
from tests.oracle.pointwise import bfloat16

SLOTS, SLOT = 3, 1
# shape, entries of the ring, rows, start, rows of the bucket, length of the scratch, workgroup
SHAPES = (
    (ODD, 256, 5, 0, 20, 64, 256),
    (ODD, 16, 33, 11, 64, 64, 8),
    (TINY, 256, 100, 1000, 128, 128, 64),
    (BIG, 256, 50, 200, 64, 64, 256),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in SHAPES:
        yield case(*shape)


def case(shape: HeadShape, ring: int, rows: int, start: int, bucket: int, chunk: int, workgroup: int) -> Case:
    """Halves are rounded, so the result is the same to the bit. What no row reaches stays as it was."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    fresh = {name: normal(rng, rows, shape.kv_heads, shape.head_dim).astype(np.float16) for name in "kv"}
    expected = {
        f"npu_{name}": np.full((SLOTS, shape.kv_heads, ring, shape.head_dim), UNTOUCHED, np.uint16) for name in "kv"
    }
    for name, heads in fresh.items():
        for row in range(rows):
            expected[f"npu_{name}"][SLOT, :, (start + row) % ring] = bfloat16(heads[row])
    return Case(
        f"npu_append.{shape}.n{ring}.{rows}of{bucket}.at{start}.w{workgroup}",
        npu_append.spec(ring=ring, chunk=chunk, kv_heads=shape.kv_heads, head_dim=shape.head_dim, workgroup=workgroup),
        {f"{name}_chunk": by_head(heads, chunk) for name, heads in fresh.items()},
        expected,
        Params(rows, start, SLOT),
        bucket,
        0.0,
        seed,
        {"slots": SLOTS},
        pairs_apart,
    )
