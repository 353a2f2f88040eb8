"""coopmat_lanes: which elements of a cooperative matrix each lane of a subgroup holds: Vulkan leaves it to the device.

    places u32 [2, subgroup, 8] = for element e of a lane, of a factor A 16 m + k, of a factor B 16 n + k

f16 matrices of 16 x 16. Where a lane does not hold eight elements nothing is written. The runtime runs it once, where a
bundle has kernels that rely on an order (kernelrt.gpu.lanes).
"""

from collections.abc import Iterator

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec

ELEMENTS = 8  # that a lane of 32 holds


def spec(*, subgroup: int) -> KernelSpec:
    """One kernel of one subgroup."""
    places = Binding("places", "u32", (2, subgroup, ELEMENTS), "w")
    return KernelSpec(
        name="coopmat_lanes",
        family="coopmat_lanes",
        params=frozen({"form": "coopmat", "operand": "f16", "elements": ELEMENTS}),
        bindings=(places,),
        workgroup=subgroup,
        grid=(Dim(), Dim(), Dim()),
        work=Work(1, 0, 0, places.nbytes()),
        requires=("coopmat_f16", "float16", "memory_model", "subgroup"),
        subgroup=subgroup,
        tags=tags("load"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """For targets that have a form that relies on the order."""
    if "coopmat_mma" in target.features:
        yield spec(subgroup=target.subgroup)
