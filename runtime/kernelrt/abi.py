"""What the host must know to launch a kernel: its buffers, constants and grid, as the manifest carries them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from kernelrt.params import NBYTES

# Raised whenever a runtime of before could launch a kernel wrongly: the numbering of bindings, the params buffer, the
# specialization ids, the meaning of a grid. The loader refuses every other number.
ABI = 3

# Bytes of one element of a binding, by dtype. "params" is the one small buffer of run-time scalars (kernelrt.params).
ELEMENT_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "f32": 4,
        "f16": 2,
        "u32": 4,
        "i32": 4,
        "f32x2": 8,
        "f32x4": 16,
        "f16x2": 4,
        "f16x4": 8,
        "u32x2": 8,
        "u32x4": 16,
        "params": NBYTES,
    }
)

# Bytes of one element of an NPU kernel's argument, by dtype of MLIR.
NPU_ELEMENT_BYTES: Mapping[str, int] = MappingProxyType({"bf16": 2, "f32": 4, "i8": 1, "i16": 2, "i32": 4})

Value = int | float | str | bool
Access = Literal["r", "w", "rw"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One storage buffer of set 0; its number is its place in the kernel's list.

    `shape` counts elements of `dtype`; a string in it is a run-time quantity ("rows": tokens of a prefill chunk or
    sequences of a decode batch; "slots": KV caches).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    access: Access = "r"

    def nbytes(self, **quantities: int) -> int:
        """Bytes of the buffer for the given run-time quantities (KeyError if one is missing)."""
        sizes = (quantities[size] if isinstance(size, str) else size for size in self.shape)
        return math.prod(sizes) * ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Constant:
    """A specialization constant that a device may decide. Ids count from 1; id 0 is the workgroup size."""

    name: str
    value: int


def specialization(workgroup: int, constants: Sequence[Constant]) -> dict[int, int]:
    """The values by specialization id: 0 is the workgroup size, constants count from 1."""
    return {0: workgroup} | {number: constant.value for number, constant in enumerate(constants, 1)}


@dataclass(frozen=True, slots=True)
class Dim:
    """One dimension of the dispatch: `count` workgroups, times ceil(`of` / `per`) where `of` is a run-time quantity."""

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
class FileRef:
    """A file of the bundle: its path inside, its SHA-256 in hexadecimal, its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class KernelEntry:
    """One kernel of a bundle. `shared_memory` counts a workgroup's bytes.

    `files` maps a role ("spirv") to a file; `tags` is how the runtime finds the kernel.

    `analysis` is what the offline compiler said of it ({"missing": reason} where there was none); `evidence` says how
    far the kernel was checked at build time: "validated" (SPIR-V is valid, ABI agrees) or "compiled" (for the target's
    ISA too).
    """

    name: str
    family: str
    params: dict[str, Value]
    bindings: tuple[Binding, ...]
    constants: tuple[Constant, ...]
    workgroup: int
    subgroup: int
    shared_memory: int
    grid: tuple[Dim, Dim, Dim]
    requires: tuple[str, ...]
    tags: dict[str, Value]
    work: Work
    files: dict[str, FileRef]
    analysis: dict[str, object]
    evidence: str


@dataclass(frozen=True, slots=True)
class NpuArgument:
    """One buffer that an NPU kernel's runtime sequences take; its number is its place in the kernel's list. `shape`
    counts elements of `dtype` (NPU_ELEMENT_BYTES)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    access: Access = "r"

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer."""
        return math.prod(self.shape) * NPU_ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class NpuWork:
    """What one run of an NPU kernel's largest sequence costs: multiply-accumulates, bytes between host and array, and
    the compute tiles that share them."""

    macs: int
    moved: int
    tiles: int


@dataclass(frozen=True, slots=True)
class NpuEntry:
    """One kernel for the NPU: a design and what it can be told to do, its `sequences`, which all take the `arguments`.

    `files` maps roles to files: "mlir", the design, always; "xclbin", the configuration of the array, and for each
    sequence its instructions (`insts_role`) together or not at all. `evidence` is "compiled" with these and "validated"
    without: the design is parsed and verified, and then `analysis` has {"missing": reason}. `tags` is how the runtime
    finds the kernel.
    """

    name: str
    family: str
    params: dict[str, Value]
    arguments: tuple[NpuArgument, ...]
    sequences: tuple[str, ...]
    tags: dict[str, Value]
    work: NpuWork
    files: dict[str, FileRef]
    analysis: dict[str, object]
    evidence: str


def insts_role(sequence: str) -> str:
    """The role of the file with the instructions of a sequence."""
    return f"insts.{sequence}"
