"""What a device can do at best; a figure above it is a measuring fault and no record."""

from collections.abc import Mapping
from dataclasses import dataclass

from kernelrt.errors import RunError

# Two measurements of one device differ by some percent: clocks, refresh, what else runs.
MARGIN = 1.05
_RATES = ("fp32_tflops", "fp16_tflops", "int8_tops")


@dataclass(frozen=True, slots=True)
class Roof:
    """`read_gbs`: the highest of the read rates measured in this run, GB/s (1e9 bytes). `tflops`: the highest peak
    that the bundle's target states, whatever arithmetic the kernels use; None where the device is another, or none is
    stated.
    """

    read_gbs: float
    tflops: float | None


def stated_peak(target: Mapping[str, object], device: str) -> float | None:
    """TFLOP/s that the target states where the device of that name is one; None otherwise.

    A target's title begins with the name that its device gives itself; what the title adds stands in parentheses.
    """
    title = str(target.get("title", "")).partition("(")[0].strip().casefold()
    if not title or title not in device.casefold():
        return None
    rates = (target.get(key) for key in _RATES)
    return max((float(rate) for rate in rates if isinstance(rate, int | float)), default=0.0) or None


def check(what: str, roof: Roof, gbs: float, tflops: float) -> None:
    """Raises RunError where a rate is above what the device can do, or is none (NaN)."""
    if not 0 <= gbs <= roof.read_gbs * MARGIN:
        raise RunError(
            f"{what}: {gbs:.1f} GB/s is above the roofline: measuring fault: "
            f"the device reads {roof.read_gbs:.1f} GB/s, measured in this run; nothing is recorded"
        )
    if roof.tflops is not None and not 0 <= tflops <= roof.tflops:
        raise RunError(
            f"{what}: {tflops:.2f} TFLOP/s is above the roofline: measuring fault: "
            f"the target's peak is {roof.tflops:.1f} TFLOP/s; nothing is recorded"
        )


def check_clock(what: str, gpu_s: float, wall_s: float) -> None:
    """Raises RunError where the device says that it worked for longer than the step took by the host's clock."""
    if not gpu_s <= wall_s * MARGIN:
        raise RunError(
            f"{what}: {gpu_s * 1e3:.3f} ms on the device within {wall_s * 1e3:.3f} ms of wall clock: "
            "measuring fault: its timestamps are wrong; nothing is recorded"
        )
