"""A kernel to build, as data: what the template sees, what the runtime binds, what the work is."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kernelrt.abi import ELEMENT_BYTES, Binding, Constant, Dim, Value, Work

__all__ = [
    "ELEMENT_BYTES",
    "GLSL_TYPES",
    "Binding",
    "Constant",
    "Dim",
    "KernelSpec",
    "Value",
    "Work",
    "ceil_div",
    "frozen",
]

# GLSL's name of a binding's element, by dtype.
GLSL_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "f32": "float",
        "f16": "float16_t",
        "u32": "uint",
        "i32": "int",
        "f32x2": "vec2",
        "f32x4": "vec4",
        "f16x2": "f16vec2",
        "f16x4": "f16vec4",
        "u32x2": "uvec2",
        "u32x4": "uvec4",
        "params": "Params",
    }
)


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """One kernel, wholly specialised.

    `params` are what the template reads, sorted by name; `requires` names device features (kernelrt.gpu.features);
    `subgroup` is the subgroup size the pipeline must be created with, or 0 where any will do; `coherent` names the
    bindings through which workgroups of one dispatch read what others of it wrote; `tags` are how the runtime finds
    the kernel.
    """

    name: str
    family: str
    params: tuple[tuple[str, Value], ...]
    bindings: tuple[Binding, ...]
    workgroup: int
    grid: tuple[Dim, Dim, Dim]
    work: Work
    constants: tuple[Constant, ...] = ()
    requires: tuple[str, ...] = ()
    subgroup: int = 0
    coherent: tuple[str, ...] = ()
    tags: tuple[tuple[str, Value], ...] = ()

    @property
    def param(self) -> dict[str, Value]:
        return dict(self.params)


def frozen(values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """A mapping as sorted pairs, so that specs are hashable and their order is stable."""
    return tuple(sorted(values.items()))


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)
