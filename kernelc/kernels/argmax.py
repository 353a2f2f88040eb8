"""argmax: the greedy token of each row.

    tokens[b] = the lowest i with the greatest logits[b][i];  tokens u32 [rows]

From logits f32 [rows, vocab], or from the pairs that the head leaves: partials u32x2 [rows, parts], the bits of a
workgroup's greatest logit and its token id. NaN is never chosen; a row of nothing else gives 0xFFFFFFFF. A workgroup
works on each row.
"""

from collections.abc import Iterator

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Value, Work, frozen, tags
from kernelc.kernels import head
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def logits_binding(vocab: int) -> Binding:
    """The head's f32 [rows, vocab], read four at a time where the rows allow it (templates/glsl/lib/logits.glsl)."""
    return Binding("logits", "f32", ("rows", vocab)) if vocab % 4 else Binding("logits", "f32x4", ("rows", vocab // 4))


def spec(
    *, vocab: int = 0, parts: int = 0, source: str = "logits", rows: int = MAX_BATCH, workgroup: int = 1024
) -> KernelSpec:
    """One kernel: source "logits" needs `vocab`, source "partials" needs `parts`. `rows` only sizes the stated work."""
    if source == "logits":
        params: dict[str, Value] = {"source": source, "vocab": vocab}
        read, count, item, suffix = logits_binding(vocab), vocab, 4, "logits"
    else:
        params = {"source": source, "parts": parts}
        read, count, item, suffix = Binding("partials", "u32x2", ("rows", parts)), parts, 8, f"p{parts}"
    return KernelSpec(
        name=f"argmax.{suffix}",
        family="argmax",
        params=frozen(params),
        bindings=(Binding("params", "params", ()), read, Binding("tokens", "u32", ("rows",), "w")),
        workgroup=workgroup,
        grid=(Dim(of="rows"), Dim(), Dim()),
        work=Work(rows, rows * count, rows * count * item, rows * 4),
        requires=("subgroup",),
        tags=tags("any", reads="partials" if source == "partials" else "logits"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """From logits, and from the partials of each head that leaves them."""
    yield spec(vocab=model.vocab, workgroup=min(1024, target.max_workgroup))
    found = {b.shape[1] for kernel in head.kernels(model, target, buckets) for b in kernel.bindings if b.name == "best"}
    for parts in sorted(int(count) for count in found):
        yield spec(parts=parts, source="partials", workgroup=min(256, target.max_workgroup))
