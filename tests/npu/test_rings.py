"""The compiler's kernels beside the NPU's, and the runtime's choice among these, agree for every bucket and context."""

import pytest

from kernelc.buckets import Buckets
from kernelc.npu.plan import beside, plan
from kernelc.npu.spec import NpuKernelSpec
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.abi import NpuEntry, NpuWork
from kernelrt.errors import MissingKernelError
from kernelrt.model import ModelSpec
from kernelrt.npu.rings import Ring, smallest
from kernelrt.npu.serving import find
from kernelrt.where import Phase

TARGET = TargetSpec.load("phoenix")


def _entry(spec: NpuKernelSpec) -> NpuEntry:
    return NpuEntry(
        spec.name, spec.family, {}, (), spec.sequences, dict(spec.tags), NpuWork(0, 0, 0), {}, {}, "validated"
    )


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("model", ["gemma27b", "gemma1b", "tiny", "tiny-odd"])
def test_every_bucket_that_has_kernels_is_served(model: str, phase: Phase) -> None:
    """Also one that is no power of two, whose chunks are shorter than the NPU's."""
    spec = ModelSpec.load(model)
    for seqs in ((256, 300, 2048), (512, 4096), (1024,)):
        buckets = Buckets(seqs)
        entries = [_entry(kernel) for kernel in plan(spec, buckets)]
        found = beside(spec, TARGET, buckets, phase)
        for seq in seqs:
            rows = min(seq, prefill_rows(TARGET)) if phase == "prefill" else 1
            for kind, kernel in find(entries, spec, seq, rows, phase).items():
                assert (kind, kernel.ring) in [(each.kind, each.ring) for each in found], (seqs, seq)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_context_beyond_the_npus_kernels_is_the_gpus(phase: Phase) -> None:
    model, buckets = ModelSpec.load("gemma1b"), Buckets((512, 8192))
    assert {each.cached for each in beside(model, TARGET, buckets, phase)} == {512}
    with pytest.raises(MissingKernelError, match="in local layers at 8192 tokens"):
        find([_entry(kernel) for kernel in plan(model, buckets)], model, 8192, 1, phase)


def test_the_smallest_cache_that_holds_what_queries_see_is_taken() -> None:
    kernels = [
        Ring(4096, 0, 512),
        Ring(1536, 1024, 512),
        Ring(2048, 1024, 512),
        Ring(1536, 1024, 64),
        Ring(512, 0, 512),
    ]
    needs = {Ring(1535, 1024, 512): kernels[1], Ring(1024, 1024, 1): kernels[3], Ring(513, 0, 300): kernels[0]}
    for need, kernel in needs.items():
        assert smallest(need, kernels, lambda each: each) == kernel
    assert smallest(Ring(1537, 1024, 513), kernels, lambda each: each) is None
    model = ModelSpec.load("gemma27b")
    assert Ring.needed(model, "local", 2048, 512) == Ring(1535, 1024, 512)
    assert Ring.needed(model, "local", 1024, 512) == Ring.needed(model, "global", 1024, 512) == Ring(1024, 0, 512)
