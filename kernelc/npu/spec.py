"""A kernel of the NPU as data: what its template sees, what the host gives it, what the work is."""

from dataclasses import dataclass
from typing import Literal

from kernelc.npu.budget import Budget

NpuDtype = Literal["bf16", "f32", "i8", "i32"]
ITEM_BYTES: dict[str, int] = {"bf16": 2, "f32": 4, "i8": 1, "i32": 4}
MACS_PER_CYCLE: dict[str, int] = {"bf16": 128, "i8": 256}  # of a compute tile


@dataclass(frozen=True, slots=True)
class HostArgument:
    """A buffer of the host, row-major and without gaps. `axes` names the dimensions of `shape`."""

    name: str
    dtype: NpuDtype
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    access: Literal["r", "w"] = "r"

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        return self.elements * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class NpuWork:
    """One run of the largest sequence: `macs` needed by the definition (masked pairs not counted), `moved` between
    host and array in bytes, `tiles` that compute.
    """

    macs: int
    moved: int
    tiles: int


@dataclass(frozen=True, slots=True)
class NpuKernelSpec:
    """One kernel, wholly specialised. `params` are what the template reads, sorted by name; `sequences` the names of
    its runtime sequences; `tags` are how the runtime finds the kernel.
    """

    name: str
    family: str
    params: tuple[tuple[str, object], ...]
    arguments: tuple[HostArgument, ...]
    sequences: tuple[str, ...]
    work: NpuWork
    budget: Budget
    tags: tuple[tuple[str, int | str], ...]

    @property
    def param(self) -> dict[str, object]:
        return dict(self.params)
