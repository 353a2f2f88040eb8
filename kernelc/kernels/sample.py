"""sample: the next token of each row, drawn as `params.sequence[row]` asks.

logits f32 [rows, vocab] -> tokens u32 [rows].

In the order of transformers, over the whole vocabulary and exactly:

1. probabilities p = softmax(logits / temperature);
2. top_k (0: no limit): the k most probable tokens;
3. top_p (1: no limit, rounded to a multiple of 2^-24): of these the fewest most probable whose share of their
   probability is at least top_p, and always one. Among equal logits a lower id counts as more probable, in both
   limits;
4. a draw from what is left: the greatest of logit / temperature + g_i, where g_i = -log(e_i) is Gumbel noise and e_i
   exponential.

The noise is counter-based: token i takes word i % 4 of Philox4x32-10 with counter (i / 4, position, 0, 0) and key
(seed, 0). So a seed and a position give the same token in any row of any batch, with any size of workgroup. From a
word w: v = (w | 1) / 2^32, cut to 24 significant bits, which lies within [2^-32, 1 - 2^-24]; e = -log(1 - v).

The greatest logit is taken (as `argmax` does) where temperature is below 1e-30 or NaN, top_k is 1, or top_p is not
above 0. NaN is never drawn; a row of nothing else gives 0xFFFFFFFF.

A workgroup works on each row. Both limits are radix selects: on counts, and on probability masses in steps of 2^-40 of
the most probable token's, as 64-bit integers, whose sums depend on no order (templates/glsl/lib/select.glsl).
"""

from collections.abc import Iterator

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.kernels.argmax import logits_binding
from kernelc.kernels.topk import MAX_WORKGROUP, check_select
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(*, vocab: int, rows: int = MAX_BATCH, workgroup: int = 1024) -> KernelSpec:
    """One kernel. `rows` only sizes the stated work: one reading of the logits."""
    check_select(vocab, workgroup)
    return KernelSpec(
        name="sample",
        family="sample",
        params=frozen({"vocab": vocab}),
        bindings=(
            Binding("params", "params", ()),
            logits_binding(vocab),
            Binding("tokens", "u32", ("rows",), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(of="rows"), Dim(), Dim()),
        work=Work(rows, 3 * rows * vocab, rows * vocab * 4, rows * 4),
        requires=("subgroup",),
        tags=tags("any", reads="logits"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    yield spec(vocab=model.vocab, workgroup=min(MAX_WORKGROUP, target.max_workgroup))
