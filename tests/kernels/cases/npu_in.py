"""Cases of npu_in: rings and full caches, at their start and past their end, chunks shorter and longer than windows."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from kernelc.kernels import npu_in
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Array, Case
from tests.kernels.cases.qk_rope import by_head
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, ODD, TINY, HeadShape, normal
from tests.oracle.pointwise import bfloat16

SLOTS, SLOT = 2, 1
UNTOUCHED = 0xFFFF
# shape, window (None: all), GPU's cache, rows, start, length of the scratch, NPU's rows, NPU's cache, workgroup
SHAPES = (
    (TINY, 16, 16, 20, 0, 64, 32, 64, 256),
    (TINY, 16, 16, 32, 5, 64, 32, 64, 8),
    (TINY, 16, 16, 7, 1000, 64, 32, 48, 64),
    (TINY, None, 128, 30, 90, 128, 32, 128, 256),
    (ODD, None, 64, 1, 63, 64, 64, 64, 256),
    (BIG, 48, 48, 33, 100, 64, 64, 128, 256),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in SHAPES:
        yield case(*shape)


def case(
    shape: HeadShape,
    window: int | None,
    cached: int,
    rows: int,
    start: int,
    chunk: int,
    npu_rows: int,
    capacity: int,
    workgroup: int,
) -> Case:
    """Halves are rounded, so the result is the same to the bit. What no one may read is NaN."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    low = max(0, start - window + 1) if window else 0
    past, heads = np.arange(low, start), {"q": shape.heads, "k": shape.kv_heads, "v": shape.kv_heads}
    fresh = {name: normal(rng, rows, count, shape.head_dim).astype(np.float16) for name, count in heads.items()}
    arrays: dict[str, Array] = {f"{name}_chunk": by_head(values, chunk) for name, values in fresh.items()}
    expected: dict[str, NDArray[np.uint16]] = {
        "npu_q": np.full((shape.heads, npu_rows, shape.head_dim), UNTOUCHED, np.uint16)
    }
    expected["npu_q"][:, :rows] = bfloat16(fresh["q"]).swapaxes(0, 1)
    for name in "kv":
        cache = np.full((SLOTS, shape.kv_heads, cached, shape.head_dim), np.nan, np.float16)
        cache[SLOT, :, past % cached] = normal(rng, len(past), shape.kv_heads, shape.head_dim).astype(np.float16)
        ring = np.full((shape.kv_heads, capacity, shape.head_dim), UNTOUCHED, np.uint16)
        ring[:, past % capacity] = bfloat16(cache[SLOT, :, past % cached]).swapaxes(0, 1)
        ring[:, np.arange(start, start + rows) % capacity] = bfloat16(fresh[name]).swapaxes(0, 1)
        arrays[f"{name}_cache"], expected[f"npu_{name}"] = cache, ring
    return Case(
        f"npu_in.{shape}.w{window}.c{cached}.{rows}at{start}",
        npu_in.spec(
            layer="local" if window else "global",
            cached=cached,
            window=window,
            chunk=chunk,
            rows=npu_rows,
            ring=capacity,
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            head_dim=shape.head_dim,
            workgroup=workgroup,
        ),
        arrays,
        expected,
        Params(rows, start, SLOT),
        rows,
        0.0,
        seed,
        {"slots": SLOTS},
        pairs_apart,
    )


def pairs_apart(out: Mapping[str, Array]) -> Mapping[str, Array]:
    """Each word is two bfloat16."""
    return {name: array.view(np.uint16) for name, array in out.items()}
