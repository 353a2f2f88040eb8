"""Constants of the attention kernels: masks of a block at the edge of what is visible, and the polynomial of 2^x."""

from collections.abc import Callable

HIDDEN = "-1.0e+30"  # added to a score
# 2^x on [-1/2, 1/2] as p0 + x (p1 + p2 x), with the least relative error (0.0017) of all whose p2 is a bf16.
_POLYNOMIAL = {1: (1.0004592, 0.70342728, 0.23828125), 88: (88.037894, 61.907823, 21.0)}


def masks(lanes: int, distance: Callable[[int], int], low: int, high: int, past: bool) -> str:
    """What is added to the scores of a block for each d in low .. high, where d is how far the position of its first
    query lies behind its first key (less the window, if `past`), as a literal of MLIR.

    `distance(lane)`: how much further its query lies behind its key. A query sees keys that are not behind it, and in a
    window those less than that before it.
    """

    def row(d: int) -> str:
        seen = (d + distance(lane) < 0 if past else d + distance(lane) >= 0 for lane in range(lanes))
        return f"[{', '.join('0.0' if visible else HIDDEN for visible in seen)}]"

    return f"[{', '.join(row(d) for d in range(low, high + 1))}]"


def polynomial(factor: int) -> dict[str, object]:
    """The coefficients of `factor` times 2^x."""
    return dict(zip(("p0", "p1", "p2"), _POLYNOMIAL[factor], strict=True))
