"""topk: the K most probable tokens of each row, for log-probabilities.

logits f32 [rows, vocab] -> values f32 [rows, K] descending, ids u32 [rows, K] (equal values: the lower id first), and
log_sum_exp f32 [rows] over the whole row: values - log_sum_exp are log-probabilities. NaN comes last and counts
nothing.

A workgroup works on each row. Every invocation's greatest logit gives a bound that few elements reach; these are
sorted in shared memory. Where they are too many for that, a radix select finds the exact K first
(templates/glsl/lib/select.glsl).
"""

from collections.abc import Iterator

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.kernels.argmax import logits_binding
from kernelc.target import TargetSpec
from kernelrt.model import MAX_VOCAB, ModelSpec

MAX_K = 256
LOGPROBS = 64  # K of a bundle
MAX_WORKGROUP = 1024  # what its list holds


def spec(*, vocab: int, k: int, rows: int = MAX_BATCH, workgroup: int = 1024) -> KernelSpec:
    """One kernel. `rows` only sizes the stated work: one reading of the logits."""
    if not 1 <= k <= min(MAX_K, vocab):
        raise ValueError(f"topk: k {k} is outside 1..{min(MAX_K, vocab)}")
    check_select(vocab, workgroup)
    return KernelSpec(
        name=f"topk.k{k}",
        family="topk",
        params=frozen({"vocab": vocab, "k": k}),
        bindings=(
            Binding("params", "params", ()),
            logits_binding(vocab),
            Binding("values", "f32", ("rows", k), "w"),
            Binding("ids", "u32", ("rows", k), "w"),
            Binding("log_sum_exp", "f32", ("rows",), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(of="rows"), Dim(), Dim()),
        work=Work(rows, 3 * rows * vocab, rows * vocab * 4, rows * (8 * k + 4)),
        requires=("subgroup",),
        tags=tags("any", reads="logits"),
    )


def check_select(vocab: int, workgroup: int) -> None:
    """Raises ValueError for sizes that templates/glsl/lib/select.glsl does not hold."""
    if not (1 <= vocab <= MAX_VOCAB and workgroup <= MAX_WORKGROUP):
        raise ValueError(
            f"a selection takes 1..{MAX_VOCAB} logits and 1..{MAX_WORKGROUP} invocations, not {vocab}, {workgroup}"
        )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    workgroup = min(MAX_WORKGROUP, target.max_workgroup)
    yield spec(vocab=model.vocab, k=min(LOGPROBS, model.vocab), workgroup=workgroup)
