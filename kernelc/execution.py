"""How long a kernel of one row takes on a Radeon that is not there: a model from its machine code.

Workgroups run in generations of as many as fit at once: the registers' limit of waves on a SIMD (RADV's statistics),
times the SIMDs, over the waves of a workgroup. A generation takes the longest of

    bus    its part of the kernel's bytes / the memory's peak bandwidth
    issue  waves on the busiest SIMD x (passes x cycles of the loop + cycles of all other code) / clock
    wait   passes x the memory's latency: a wave has one pass of its loop in flight

and before the first one, what comes ahead of the loop is not hidden: the memory's latency, and its part of the issue.
A pass is one run through the loop that streams the matrix, or the keys and values; its cycles are the larger of its
vector instructions (one a cycle) and its bytes of LDS (64 a cycle and SIMD: RDNA's 128 for two). The clock follows from
the target's fp32 peak: SIMDs x 32 lanes x 2 (dual issue) x 2 FLOP. The latency is an assumption (LATENCY).

Not in the model: caches, the DRAM's losses below its peak, barriers between dispatches, instruction caches, stalls
within a wave, loops outside of the stream (counted once), and the CPU, which shares the bus. So a time is rather too
short: it ranks cuts and shows what binds a kernel, and it is no prediction.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kernelc.kernel import KernelSpec
from kernelc.target import TargetSpec
from kernelc.toolchain.isa import Isa
from kernelc.toolchain.loop import split
from kernelrt.errors import InputError

LATENCY = 0.5e-6  # seconds to memory and back under load; assumed, not measured
# By a target's offline compiler: 12 compute units of two SIMDs.
_SIMDS: Mapping[str, int] = MappingProxyType({"radv:phoenix": 24})
_TOGETHER = 4  # SIMDs of a workgroup processor, which a workgroup does not leave
_FLOPS = 32 * 2 * 2  # of a SIMD and cycle: lanes, dual issue, multiply and add
_LDS_BYTES = 64
_LANES = 32


@dataclass(frozen=True, slots=True)
class Chip:
    """What of a target the model needs; Hz, bytes a second."""

    simds: int
    clock: float
    bandwidth: float

    def waves(self, groups: int, each: int) -> int:
        """On the busiest SIMD, of workgroups of `each` waves."""
        return math.ceil(math.ceil(groups * _TOGETHER / self.simds) * each / _TOGETHER)

    @staticmethod
    def of(target: TargetSpec) -> "Chip":
        """InputError for a target that the model knows too little of."""
        simds = _SIMDS.get(target.offline_compiler or "")
        if simds is None or not target.bandwidth_gbs or not target.fp32_tflops:
            raise InputError(
                f"target {target.name}: has no offline compiler that kernels can be modelled with, or states no rates"
            )
        return Chip(simds, target.fp32_tflops * 1e12 / (simds * _FLOPS), target.bandwidth_gbs * 1e9)


@dataclass(frozen=True, slots=True)
class Execution:
    """A modelled run of one dispatch, in seconds: all of it, and what each bound alone comes to."""

    seconds: float
    bus: float
    issue: float
    wait: float

    @property
    def bound(self) -> str:
        """What it waits for most."""
        return max(("bus", "issue", "wait"), key=lambda name: getattr(self, name))


def execution(spec: KernelSpec, isa: Isa, chip: Chip) -> Execution:
    """The model of a kernel at the rows that its work is stated for. `isa` of RADV (ToolError without occupancy)."""
    waves = spec.workgroup // _LANES or 1
    groups = math.prod(dim.size(rows=spec.work.rows) for dim in spec.grid)
    together = max(1, chip.simds * (isa.stats.waves_per_simd or 1) // waves)
    code, nbytes = split(isa.assembly), spec.work.bytes_read + spec.work.bytes_written
    passes, share = _passes(spec, code.loop.loaded, waves * groups)
    once = max(code.rest.valu, code.rest.lds * _LANES / _LDS_BYTES)
    cycles = share * max(code.loop.valu, code.loop.lds * _LANES / _LDS_BYTES) + once
    wait = passes * LATENCY
    ahead = LATENCY + chip.waves(min(groups, together), waves) * once / chip.clock
    total, sums = ahead, [0.0, 0.0, 0.0]
    full, rest = divmod(groups, together)
    for count, times in ((together, full), (rest, 1 if rest else 0)):
        bus = nbytes * count / groups / chip.bandwidth
        issue = chip.waves(count, waves) * cycles / chip.clock
        total += times * max(bus, issue, wait)
        sums = [sums[0] + times * bus, sums[1] + times * issue, sums[2] + times * wait]
    return Execution(total, *sums)


def _passes(spec: KernelSpec, loaded: int, waves: int) -> tuple[float, float]:
    """How often the busiest wave goes through the loop: rounded up as it waits, and as much as it computes."""
    if spec.param.get("form") != "gemv":
        streamed = spec.work.bytes_read / (loaded * _LANES * waves) if loaded else 0.0
        return math.ceil(streamed), streamed
    constants = {constant.name: constant.value for constant in spec.constants}
    rows, depth = constants["ROWS"], constants["DEPTH"]
    sweeps = math.ceil(int(spec.param["rows_per_workgroup"]) / (spec.workgroup // _LANES * rows))
    steps = math.ceil(int(spec.param["padded"]) / int(spec.param["unit"]) / _LANES)
    return sweeps * math.ceil(steps / depth), sweeps * steps / depth
