"""What an offline GPU compiler made of a kernel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernelc.errors import ToolError


@dataclass(frozen=True, slots=True)
class IsaStats:
    """The driver's figures for one kernel; None where this driver does not tell it.

    VGPRs are those allocated to a lane (rounded up to what the hardware allocates), SGPRs to a wave; latency and
    inverse throughput are the compiler's estimate in cycles of one wave.
    """

    subgroup_size: int
    vgprs: int
    sgprs: int
    spilled_vgprs: int
    spilled_sgprs: int
    lds_bytes: int
    scratch_bytes: int
    code_bytes: int
    instructions: int | None
    latency: int | None
    inverse_throughput: int | None
    waves_per_simd: int | None
    branches: int | None
    copies: int | None
    valu: int | None
    salu: int | None
    vmem: int | None
    smem: int | None
    vopd: int | None
    vmem_clauses: int | None
    smem_clauses: int | None


@dataclass(frozen=True, slots=True)
class Isa:
    """Figures and disassembly of one kernel."""

    stats: IsaStats
    assembly: str


# Field -> the driver's name for it; the first group is there in every Mesa from 22 on.
_NEEDED = {
    "vgprs": "VGPRs",
    "sgprs": "SGPRs",
    "spilled_vgprs": "Spilled VGPRs",
    "spilled_sgprs": "Spilled SGPRs",
    "lds_bytes": "LDS size",
    "scratch_bytes": "Scratch size",
    "code_bytes": "Code size",
}
_OPTIONAL = {
    "instructions": "Instructions",
    "latency": "Latency",
    "inverse_throughput": "Inverse Throughput",
    "waves_per_simd": "Subgroups per SIMD",
    "branches": "Branches",
    "copies": "Copies",
    "valu": "VALU",
    "salu": "SALU",
    "vmem": "VMEM",
    "smem": "SMEM",
    "vopd": "VOPD",
    "vmem_clauses": "VMEM Clause",
    "smem_clauses": "SMEM Clause",
}


def stats_from(statistics: Mapping[str, int | float], subgroup: int) -> IsaStats:
    """The figures from the driver's statistics. Raises ToolError where one that every RADV gives is missing."""
    missing = [name for name in _NEEDED.values() if name not in statistics]
    if missing:
        raise ToolError(f"RADV gave no {', '.join(missing)}: is Mesa's shader cache on?")
    figures: dict[str, Any] = {field: int(statistics[name]) for field, name in _NEEDED.items()}
    figures |= {field: int(statistics[name]) if name in statistics else None for field, name in _OPTIONAL.items()}
    return IsaStats(subgroup_size=subgroup, **figures)
