"""A kernel to build, as data: what the template sees, what the runtime binds, what the work is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Value = int | float | str | bool
Access = Literal["r", "w", "rw"]

# dtype of a binding -> (GLSL element type, bytes of one element)
DTYPES: Mapping[str, tuple[str, int]] = {
    "f32": ("float", 4),
    "f16": ("float16_t", 2),
    "u32": ("uint", 4),
    "i32": ("int", 4),
    "f32x2": ("vec2", 8),
    "f32x4": ("vec4", 16),
    "f16x2": ("f16vec2", 4),
    "f16x4": ("f16vec4", 8),
    "u32x2": ("uvec2", 8),
    "u32x4": ("uvec4", 16),
    "params": ("Params", 0),
}


@dataclass(frozen=True, slots=True)
class Binding:
    """One storage buffer of set 0. Its number is its place in `KernelSpec.bindings`.

    `shape` counts elements of `dtype`; a string in it is a run-time quantity ("rows": tokens of a prefill chunk or
    sequences of a decode batch). The dtype "params" is the one small buffer of run-time scalars (templates/glsl/lib/params.glsl).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    access: Access = "r"
    coherent: bool = False  # workgroups of one dispatch read what others of it wrote


@dataclass(frozen=True, slots=True)
class Constant:
    """A specialization constant: what a device may decide. Ids count from 1; id 0 is the workgroup size."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Dim:
    """One dimension of the dispatch: `count` workgroups, or ceil(`of` / `per`) of a run-time quantity, times `count`."""

    count: int = 1
    of: str | None = None
    per: int = 1

    def size(self, **quantities: int) -> int:
        """Workgroups in this dimension for the given run-time quantities (KeyError if one is missing)."""
        return self.count if self.of is None else self.count * -(-quantities[self.of] // self.per)


@dataclass(frozen=True, slots=True)
class Work:
    """What one dispatch costs at `rows` rows: floating-point operations, and bytes that must move at the least."""

    rows: int
    flops: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """One kernel, wholly specialised.

    `params` are what the template reads, sorted by name; `requires` names device features (kernelrt.gpu.features);
    `subgroup` is the subgroup size the pipeline must be created with, or 0 where any will do.
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
    tags: tuple[tuple[str, Value], ...] = field(default=())  # how the runtime finds it: role, quant, rows, layer kind, …

    @property
    def param(self) -> dict[str, Value]:
        return dict(self.params)


def frozen(values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """A mapping as sorted pairs, so that specs are hashable and their order is stable."""
    return tuple(sorted(values.items()))


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)
