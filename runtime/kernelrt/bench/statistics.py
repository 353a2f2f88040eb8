"""What samples say: median, tenth and ninetieth percentile, and which of them stand apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelrt.errors import RunError

FENCE = 1.5  # interquartile ranges beyond a quartile: Tukey's rule (Exploratory Data Analysis, 1977, 2D)
OUTLIER_RULE = f"below Q1 - {FENCE} IQR or above Q3 + {FENCE} IQR; marked, never dropped"


@dataclass(frozen=True, slots=True)
class Summary:
    """Of samples, in their unit; every figure is over all of them. `outliers` are indices into the samples."""

    count: int
    median: float
    p10: float
    p90: float
    outliers: tuple[int, ...]

    def describe(self) -> dict[str, object]:
        """The fields as plain JSON values."""
        return {
            "count": self.count,
            "median": self.median,
            "p10": self.p10,
            "p90": self.p90,
            "outliers": list(self.outliers),
        }


def summarise(what: str, samples: Sequence[float]) -> Summary:
    """Raises RunError where there is no sample, or one that is no time or rate: negative, infinite or NaN."""
    if not samples:
        raise RunError(f"{what}: no sample was taken")
    for index, sample in enumerate(samples):
        if not (math.isfinite(sample) and sample >= 0):
            raise RunError(f"{what}: sample {index} is {sample}: measuring fault")
    ordered = sorted(samples)
    q1, q3 = quantile(ordered, 0.25), quantile(ordered, 0.75)
    low, high = q1 - FENCE * (q3 - q1), q3 + FENCE * (q3 - q1)
    return Summary(
        count=len(samples),
        median=quantile(ordered, 0.5),
        p10=quantile(ordered, 0.1),
        p90=quantile(ordered, 0.9),
        outliers=tuple(i for i, sample in enumerate(samples) if not low <= sample <= high),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of rising numbers, linear between neighbours (type 7 of Hyndman and Fan 1996, NumPy's default)."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    # Not a + w (b - a): equal neighbours must give themselves to the bit.
    weight = place - below
    if ordered[below] == ordered[above]:
        return ordered[below]
    return ordered[below] * (1 - weight) + ordered[above] * weight
