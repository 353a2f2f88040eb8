"""Cases of attn_prefill: chunks at the start, in the middle of a ring and far past it, in every form that the
target has.
"""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import attn_prefill
from kernelc.kernels.attn_prefill import Coopmat, Plain
from kernelc.target import TargetSpec
from kernelrt.params import Params
from kernelrt.quant import padded
from tests.kernels.case import Case
from tests.kernels.cases.qk_rope import by_head
from tests.kernels.harness import fresh_seed
from tests.kernels.heads import BIG, FOUR, ODD, ONE, PAIR, TINY, HeadShape, empty_cache, normal, put
from tests.oracle.attention import attention, visible_keys
from tests.oracle.layout import pad

SLOTS, SLOT = 3, 2
# shape, capacity of the cache, window, rows, start, length of the scratch
SHAPES = (
    (ODD, 7, 7, 5, 0, 64),
    (ODD, 7, 7, 33, 3, 64),
    (ODD, 7, 7, 64, 500, 64),
    (ODD, 100, None, 63, 37, 64),
    (ODD, 50, 512, 30, 20, 64),  # a cache shorter than the window
    (TINY, 16, 16, 100, 0, 128),
    (TINY, 16, 16, 128, 1000, 128),
    (TINY, 200, None, 120, 72, 128),
    (TINY, 1, 1, 20, 9, 64),  # a window of the token alone
    (ONE, 40, 40, 70, 41, 128),
    (FOUR, 20, 20, 49, 30, 64),
    (PAIR, 90, None, 33, 50, 64),
    (BIG, 128, 128, 37, 300, 64),
    (BIG, 1024, 1024, 20, 1500, 64),
    (BIG, 64, 64, 100, 130, 128),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape, capacity, window, rows, start, chunk in SHAPES:
        for cut in attn_prefill.forms(target, shape.head_dim, chunk):
            yield case(shape, capacity, window, rows, start, chunk, cut=cut)
    yield case(ODD, 7, 7, 61, 4, 64, cut=Plain(1, 8, 64))
    yield case(TINY, 16, 16, 61, 4, 64, cut=Plain(1, 16))


def case(
    shape: HeadShape, capacity: int, window: int | None, rows: int, start: int, chunk: int, *, cut: Plain | Coopmat
) -> Case:
    """Scores of a spread of 3 in powers of two. What no query may see is NaN."""
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    q = normal(rng, rows, shape.heads, shape.head_dim, spread=3 / np.sqrt(shape.head_dim)).astype(np.float16)
    past, now = np.arange(max(0, start - capacity), start), np.arange(start, start + rows)
    old = {name: normal(rng, len(past), shape.kv_heads, shape.head_dim).astype(np.float16) for name in "kv"}
    new = {name: normal(rng, rows, shape.kv_heads, shape.head_dim).astype(np.float16) for name in "kv"}
    caches = {name: empty_cache(SLOTS, shape, capacity) for name in "kv"}
    for name, cache in caches.items():
        put(cache, SLOT, past, old[name])
    whole = {name: np.concatenate([old[name], new[name]]).astype(np.float64) for name in "kv"}
    seen = visible_keys(now, np.concatenate([past, now]), window)
    value = attention(q.astype(np.float64), whole["k"], whole["v"], seen, np.log(2.0))
    expected = np.full((chunk, padded(shape.width)), np.nan)
    expected[:rows] = pad(value.reshape(rows, -1))
    form = "coopmat" if isinstance(cut, Coopmat) else f"plain{cut.rows}x{cut.keys}"
    return Case(
        f"attn_prefill.{shape}.c{capacity}.win{window}.{rows}of{chunk}.at{start}.{form}",
        attn_prefill.spec(
            layer="local", capacity=capacity, window=window, chunk=chunk, heads=shape.heads, kv_heads=shape.kv_heads,
            head_dim=shape.head_dim, cut=cut,
        ),
        {
            "q_chunk": by_head(q, chunk),
            **{f"{name}_chunk": by_head(heads, chunk) for name, heads in new.items()},
            **{f"{name}_cache": cache for name, cache in caches.items()},
        },
        {"out_halves": expected},
        Params(rows, start, SLOT),
        chunk,
        2e-3 if isinstance(cut, Coopmat) else 1e-3,
        seed,
        {"slots": SLOTS},
    )  # fmt: skip
