"""The plan: which kernels a model needs on a target, exactly, in a stable order. Compiles nothing."""

import importlib
import pkgutil
from dataclasses import replace
from types import ModuleType

from kernelc import kernels
from kernelc.buckets import Buckets, check_embedding
from kernelc.chain import can_chain, chained
from kernelc.kernel import KernelSpec
from kernelc.target import TargetSpec
from kernelrt.errors import InputError
from kernelrt.kernels import LANES
from kernelrt.model import ModelSpec


def families() -> tuple[ModuleType, ...]:
    """The kernel families' modules by name: a new module in kernelc/kernels is a new family."""
    names = sorted(module.name for module in pkgutil.iter_modules(kernels.__path__))
    return tuple(importlib.import_module(f"{kernels.__name__}.{name}") for name in names)


def plan(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> tuple[KernelSpec, ...]:
    """All kernels, sorted by family, then as the family lists them.

    Raises InputError where the model knows fewer positions than asked for or its rows do not fit the embedding's
    format, or the target lacks what a kernel needs.
    """
    if buckets.seq[-1] > model.max_positions:
        raise InputError(f"--seq: {buckets.seq[-1]} is more than the {model.max_positions} positions of {model.name}")
    check_embedding(buckets.embedding, model)
    specs = tuple(_fitted(spec, target) for family in families() for spec in family.kernels(model, target, buckets))
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise AssertionError(f"two kernels are named {spec.name}")
        seen.add(spec.name)
        _check(spec, target)
    return specs


def _check(spec: KernelSpec, target: TargetSpec) -> None:
    missing = sorted(set(spec.requires) - target.features)
    if missing:
        raise InputError(f"target {target.name}: {spec.name} needs {', '.join(missing)}, not among its features")
    least = spec.subgroup or target.min_subgroup or target.subgroup
    if 0 < least < LANES:
        raise InputError(
            f"target {target.name}: has subgroups of {least}; {spec.name} needs {LANES} lanes at the least"
        )
    if spec.workgroup % (spec.subgroup or LANES):
        sizes = f"a workgroup of {spec.workgroup}, no whole subgroups of {spec.subgroup or LANES}"
        raise InputError(f"target {target.name}: {spec.name} has {sizes}")
    if spec.workgroup > target.max_workgroup:
        most = target.max_workgroup
        raise InputError(
            f"target {target.name}: {spec.name} has workgroups of {spec.workgroup}, above max_workgroup {most}"
        )


def _fitted(spec: KernelSpec, target: TargetSpec) -> KernelSpec:
    """A driver may choose among subgroup sizes by its own rules: where the target can be asked, every kernel asks. And
    what can be in a chain is, where the target knows chains; loops are as its compiler wants them.
    """
    fitted = replace(spec, subgroup=spec.subgroup or target.pinned_subgroup, rolled=target.rolled)
    return chained(fitted) if target.chains and can_chain(fitted) else fitted
