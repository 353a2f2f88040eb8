"""The plan: which kernels a model needs on a target, exactly, in a stable order. Compiles nothing."""

import importlib
import pkgutil
from dataclasses import replace
from types import ModuleType

from kernelc import kernels
from kernelc.buckets import Buckets
from kernelc.errors import InputError
from kernelc.kernel import KernelSpec
from kernelc.model import ModelSpec
from kernelc.target import TargetSpec


def families() -> tuple[ModuleType, ...]:
    """The kernel families' modules by name: a new module in kernelc/kernels is a new family."""
    names = sorted(module.name for module in pkgutil.iter_modules(kernels.__path__))
    return tuple(importlib.import_module(f"{kernels.__name__}.{name}") for name in names)


def plan(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> tuple[KernelSpec, ...]:
    """All kernels, sorted by family, then as the family lists them. Raises InputError where the target lacks what a
    kernel needs.
    """
    specs = tuple(_pinned(spec, target) for family in families() for spec in family.kernels(model, target, buckets))
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise AssertionError(f"two kernels are named {spec.name}")
        seen.add(spec.name)
        missing = sorted(set(spec.requires) - target.features)
        if missing:
            raise InputError(
                f"target {target.name}: {spec.name} needs {', '.join(missing)}, which its features do not list"
            )
    return specs


def _pinned(spec: KernelSpec, target: TargetSpec) -> KernelSpec:
    """A driver may choose among subgroup sizes by its own rules: every kernel asks for the target's."""
    return replace(spec, subgroup=spec.subgroup or target.subgroup)
