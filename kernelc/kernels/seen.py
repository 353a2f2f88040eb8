"""seen: which tokens occurred in a sequence, a bit each, for `penalty`.

    seen[slot][t / 32] |= 1 << t % 32    for each token t that this step computes

tokens u32 [rows], the step's inputs (what `embedding` reads): in prefill all of `params.slot`, in decode row b's of
`params.sequence[b].slot`. seen u32 [slots, ceil(vocab / 32)]. A sequence's first token, at position 0, clears what its
slot held, so that the host never writes there. An id that is not below vocab sets nothing.

Before `penalty` in the same step, every token up to this one is marked then, however it was chosen.
"""

from collections.abc import Iterator
from typing import Literal

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.kernels.penalty import BITS
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(*, vocab: int, phase: Literal["decode", "prefill"], rows: int = MAX_BATCH, workgroup: int = 256) -> KernelSpec:
    """One kernel, for any number of rows; `rows` only sizes the stated work.

    decode: a workgroup a row. prefill: an invocation a word, which goes through the chunk's tokens, so that no order
    of writes matters.
    """
    words = ceil_div(vocab, BITS)
    decode = phase == "decode"
    moved = rows * 4 if decode else words * 4
    return KernelSpec(
        name=f"seen.{phase}",
        family="seen",
        params=frozen({"vocab": vocab, "words": words, "phase": phase}),
        bindings=(
            Binding("params", "params", ()),
            Binding("tokens", "u32", ("rows",)),
            Binding("seen", "u32", ("slots", words), "rw"),
        ),
        workgroup=workgroup,
        grid=(Dim(of="rows") if decode else Dim(ceil_div(words, workgroup)), Dim(), Dim()),
        work=Work(rows, 0, rows * 4 + moved, moved),
        tags=tags(phase),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    workgroup = min(256, target.max_workgroup)
    yield spec(vocab=model.vocab, phase="decode", workgroup=workgroup)
    yield spec(vocab=model.vocab, phase="prefill", rows=prefill_rows(target), workgroup=workgroup)
