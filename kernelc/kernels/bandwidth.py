"""bandwidth: reads a buffer once and keeps nothing: the device's read rate, measured in the run that it is to judge.

    sums[g] = the sum modulo 2^32 of every u32 that workgroup g reads

words u32x4 [words], sums u32 [workgroups]. The buffer as it is bound tells its length. Workgroups take stretches of
`unroll` x workgroup elements in turn; each invocation has `unroll` loads of 16 bytes in flight.
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec


def spec(*, workgroups: int = 2048, unroll: int = 8, words: int = 1 << 26, workgroup: int = 256) -> KernelSpec:
    """One kernel, for a buffer of any size; `words` (of 16 bytes) only sizes the stated work."""
    return KernelSpec(
        name="bandwidth",
        family="bandwidth",
        params=frozen({"workgroups": workgroups, "unroll": unroll}),
        bindings=(Binding("words", "u32x4", ("words",)), Binding("sums", "u32", (workgroups,), "w")),
        workgroup=workgroup,
        grid=(Dim(workgroups), Dim(), Dim()),
        work=Work(1, 0, 16 * words, 4 * workgroups),
        requires=("subgroup",),
        tags=tags("measure"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    yield spec(words=min(1 << 26, target.max_storage_range // 16), workgroup=min(256, target.max_workgroup))
