"""A kernel to build, as data: what the template sees, what the runtime binds, what the work is."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from kernelrt.abi import ELEMENT_BYTES, Access, Binding, Constant, Dim, Value, Work
from kernelrt.chain import is_link

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


# Layouts of activations between kernels: the residual stretch that a norm begins with, rows, what the lanes of a matvec
# read (templates/glsl/lib/activation.glsl), heads apart, the head's results.
# "rows_scaled": halves with a power of two for every 32.
Layout = Literal["", "stretch", "rows_f32", "rows_f16", "rows_scaled", "lanes_f32", "heads", "logits", "partials"]


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """One kernel, wholly specialised.

    `params` are what the template reads, sorted by name; `requires` names device features (kernelrt.gpu.features);
    `subgroup` is the subgroup size the pipeline must be created with, or 0 where any will do; `nonprivate` names the
    bindings through which workgroups read what others wrote without a barrier between (in Vulkan's memory model), of
    their own dispatch or, in a chain, of one in front; `tags` are how the runtime finds the kernel. `rolled`: loops
    that a template marks `[[unroll]]` stay loops (TargetSpec).
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
    nonprivate: tuple[str, ...] = ()
    tags: tuple[tuple[str, Value], ...] = ()
    rolled: bool = False

    @property
    def chained(self) -> bool:
        """Whether it waits itself for the dispatch in front (kernelc.chain)."""
        return is_link(self.bindings)

    def declared(self, binding: Binding) -> Access:
        """How the shader declares a binding. What others write meanwhile is not `readonly`: NVIDIA's compiler moves
        loads of what is to before the wait for it.
        """
        return "rw" if binding.access == "r" and binding.name in self.nonprivate else binding.access

    @property
    def param(self) -> dict[str, Value]:
        return dict(self.params)


def frozen(values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """A mapping as sorted pairs, so that specs are hashable and their order is stable."""
    return tuple(sorted(values.items()))


def tags(
    phase: Literal["load", "prefill", "decode", "any", "measure"],
    *,
    rows: int = 0,
    layer: Literal["", "local", "global"] = "",
    capacity: int = 0,
    chunk: int = 0,
    ring: int = 0,
    form: Literal["", "gemv", "matvec", "tile", "coopmat", "direct"] = "",
    quant: str = "",
    unit: int = 0,
    math: Literal["", "f32", "int16", "f16", "bf16"] = "",
    reads: Layout = "",
    writes: Layout = "",
) -> tuple[tuple[str, Value], ...]:
    """How the runtime finds a kernel of a family; what does not apply is left out.

    `rows` is the most of one dispatch, `capacity` the cache entries of a slot, `chunk` the rows of a chunk's
    scratch, `ring` the keys of an NPU kernel; `layer` only where the kernels of the two kinds differ. `quant` is
    the format of the weights that a kernel reads; `unit` that of the lanes layout that a norm writes (Quant.unit of its
    reader's weights); `math` is what products are computed in. A kernel that `reads` a layout follows one that `writes`
    it.
    """
    found: dict[str, Value] = {
        "phase": phase,
        "rows": rows,
        "layer": layer,
        "capacity": capacity,
        "chunk": chunk,
        "ring": ring,
    }
    found |= {"form": form, "quant": quant, "unit": unit, "math": math, "reads": reads, "writes": writes}
    return frozen({key: value for key, value in found.items() if value})


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)
