"""penalty: the repetition penalty, in place before `sample` (transformers' RepetitionPenaltyLogitsProcessor).

    logits[b][i] = logits[b][i] / p where it is above 0, else logits[b][i] * p, for every token i that occurred

logits f32 [rows, vocab]; p is `params.sequence[b].penalty`: a row of 1, or of anything that is not positive, stays as
it is. Which tokens occurred is a bit each, bit i % 32 of word i / 32: seen u32 [slots, ceil(vocab / 32)], by the
sequence's slot, which `seen` keeps. An invocation looks at 32 tokens and touches the logits of those seen alone, so
that a row costs its bits.
"""

from collections.abc import Iterator

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec

BITS = 32  # tokens of a word


def spec(*, vocab: int, rows: int = MAX_BATCH, workgroup: int = 256) -> KernelSpec:
    """One kernel. `rows` only sizes the stated work: one reading of the bits."""
    words = ceil_div(vocab, BITS)
    return KernelSpec(
        name="penalty",
        family="penalty",
        params=frozen({"vocab": vocab, "words": words}),
        bindings=(
            Binding("params", "params", ()),
            Binding("logits", "f32", ("rows", vocab), "rw"),
            Binding("seen", "u32", ("slots", words)),
        ),
        workgroup=workgroup,
        grid=(Dim(ceil_div(words, workgroup)), Dim(of="rows"), Dim()),
        work=Work(rows, 0, rows * words * 4, 0),
        tags=tags("any", reads="logits", writes="logits"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    yield spec(vocab=model.vocab, workgroup=min(256, target.max_workgroup))
