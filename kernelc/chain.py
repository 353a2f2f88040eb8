"""Chains: the kernels of a step that wait for each other themselves (templates/glsl/lib/chain.glsl).

A barrier lets the next dispatch begin when the last workgroup of the one before has ended; in a chain its workgroups
begin as there is room, and ask for their weights while they wait. That takes a device that begins dispatches in their
order (TargetSpec.chains). Where it does not, the wait is given up and the results are NaN. The runtime's half is
kernelrt.chain.
"""

import math
from dataclasses import replace

from kernelc.kernel import Binding, KernelSpec
from kernelrt.calls import BEFORE
from kernelrt.chain import HERE, STEP
from kernelrt.errors import InputError

_FORMS = (("gemv", "int16"), ("direct", "f16"), ("coopmat", "f16"))  # by form and math: bf16 is in no step
_COUNTERS = (Binding(BEFORE, "u32", (1,)), Binding(HERE, "u32", (1,), "rw"))


def can_chain(spec: KernelSpec) -> bool:
    """Whether the kernel has a form for chains: the products of one row, those of a batch in matrix units, and what is
    between them. The head has none: it begins another recording.
    """
    tags = dict(spec.tags)
    if tags["phase"] != "decode" or spec.family == "head":
        return False
    if spec.family in ("norm", "attn_decode"):
        return tags["writes"] != "lanes_f32"
    return (tags.get("form"), tags.get("math")) in _FORMS


def chained(spec: KernelSpec) -> KernelSpec:
    """The kernel as a link of a chain. What others of the chain write or read is in Vulkan's memory model. InputError
    for more workgroups than a counter tells apart.
    """
    workgroups = math.prod(dim.size(rows=spec.work.rows) for dim in spec.grid)
    if workgroups >= STEP:
        raise InputError(f"{spec.name}: {workgroups} workgroups; where a target has chains they are fewer than {STEP}")
    activations = (binding.name for binding in spec.bindings if "rows" in binding.shape)
    counters = (binding.name for binding in _COUNTERS)
    return replace(
        spec,
        bindings=(*spec.bindings, *_COUNTERS),
        requires=tuple(dict.fromkeys((*spec.requires, "memory_model"))),
        nonprivate=tuple(dict.fromkeys((*spec.nonprivate, *activations, *counters))),
    )
