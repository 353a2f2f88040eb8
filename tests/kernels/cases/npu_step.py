"""Cases of npu_step: rows at places of their own, in caches that have come round and in such that have not."""

from collections.abc import Iterator, Mapping

import numpy as np

from kernelc.kernels import npu_step
from kernelc.target import TargetSpec
from kernelrt.params import Params, Sequence
from tests.kernels.case import Array, Case
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, EPS, FOUR, ODD, TINY, HeadShape, norm_weight, normal
from tests.oracle.npu_numbers import from_bf16
from tests.oracle.qk_rope import qk_rope as oracle

HALF, BFLOAT = 1e-3, 4e-3
TOLERANCE = {"k_cache": HALF, "v_cache": HALF, "npu_q": BFLOAT, "npu_k": BFLOAT, "npu_v": BFLOAT}
# shape, positions of the rows, rows of the bucket, entries of the GPU's and of the NPU's cache, stride, workgroup
SHAPES = (
    (ODD, (0, 6, 300), 4, 7, 256, 120, 8),
    (TINY, (15, 1000), 2, 16, 256, 2048, 256),
    (FOUR, (40,), 1, 64, 64, 2048, 64),
    (BIG, (1500, 3), 2, 1024, 256, 4096, 256),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in SHAPES:
        yield case(*shape)


def case(
    shape: HeadShape, positions: tuple[int, ...], bucket: int, cached: int, ring: int, stride: int, workgroup: int
) -> Case:
    """What no row writes is NaN before, and after."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    rows, slots = len(positions), bucket + 1
    slot_of = [int(slot) for slot in rng.permutation(slots)[:rows]]
    sequences = tuple(Sequence(position=p, slot=slot) for p, slot in zip(positions, slot_of, strict=True))
    qkv = normal(rng, bucket, shape.qkv_rows, spread=3.0)
    q_norm, k_norm = norm_weight(rng, shape.head_dim), norm_weight(rng, shape.head_dim)
    table = shape.table(np.arange(max(positions) + 1))
    made = oracle(
        qkv[:rows], table[list(positions)].astype(np.float64), q_norm, k_norm, shape.heads, shape.kv_heads, EPS
    )
    expected: dict[str, Array] = {"npu_q": np.full((slots, stride), np.nan)}
    expected["npu_q"][slot_of, : shape.width] = (made.q * np.log2(np.e) / np.sqrt(shape.query_scale_dim)).reshape(
        rows, -1
    )
    for name, heads in (("k", made.k), ("v", made.v)):
        for buffer, entries in ((f"{name}_cache", cached), (f"npu_{name}", ring)):
            expected[buffer] = np.full((slots, shape.kv_heads, entries, shape.head_dim), np.nan)
            for row, position in enumerate(positions):
                expected[buffer][slot_of[row], :, position % entries] = heads[row]

    def view(out: Mapping[str, Array]) -> Mapping[str, Array]:
        return {**out, **{name: from_bf16(out[name].view(np.uint16)) for name in ("npu_q", "npu_k", "npu_v")}}

    return Case(
        f"npu_step.{shape}.c{cached}.n{ring}.p{'_'.join(map(str, positions))}.w{workgroup}",
        npu_step.spec(
            cached=cached, ring=ring, stride=stride, heads=shape.heads, kv_heads=shape.kv_heads,
            head_dim=shape.head_dim, query_scale_dim=shape.query_scale_dim, norm_eps=EPS, positions=len(table),
            workgroup=workgroup,
        ),
        {"qkv": qkv, "rope": table, "q_norm": q_norm, "k_norm": k_norm},
        expected,
        Params(rows, sequences=sequences),
        bucket,
        TOLERANCE,
        seed,
        {"slots": slots},
        view,
    )  # fmt: skip
