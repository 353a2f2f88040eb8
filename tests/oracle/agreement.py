"""How near the runtime's logits are to the reference's, and the bounds that issue and README state."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOUND = 2e-3  # of the logits of a phase together: ||ours - reference|| / ||reference||
ROW_BOUND = 8e-3  # of one position. Halves in caches and activations make 1e-3 on average, and 5e-3 of the worst
# of ten thousand positions, where attention is nearly undecided; a lost key or a wrong rotation makes 1e-1.


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of logits [n, vocab] at `positions`: `error` of all together, `rows` of each, `choices` where the greedy token
    differs although the reference's best is ahead by more than BOUND of the norm of that row's logits.
    """

    error: float
    rows: NDArray[np.float64]
    positions: tuple[int, ...]
    choices: tuple[int, ...]

    def failures(self, what: str, bound: float = BOUND, row_bound: float = ROW_BOUND) -> list[str]:
        """What breaks a bound, a line each."""
        found: list[str] = []
        if not self.error <= bound:
            found.append(f"{what}: off by {self.error:.2e} over {len(self.rows)} positions (bound {bound:.0e})")
        if not (self.rows <= row_bound).all():
            worst = int(np.nanargmax(self.rows)) if not np.isnan(self.rows).all() else 0
            found.append(f"{what}: position {self.positions[worst]} is off by {self.rows[worst]:.2e}")
        found += [f"{what}: position {position}: another greedy token" for position in self.choices]
        return found


def agreement(ours: NDArray[np.floating], reference: NDArray[np.floating], positions: range | list[int]) -> Agreement:
    """Compares logits [n, vocab] that follow the tokens at `positions`."""
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    off = a - b
    order = np.sort(b, -1)
    gap = order[:, -1] - order[:, -2]
    wrong = (a.argmax(-1) != b.argmax(-1)) & (gap > BOUND * np.linalg.norm(b, axis=-1))
    return Agreement(
        error=float(np.linalg.norm(off) / np.linalg.norm(b)),
        rows=np.linalg.norm(off, axis=-1) / np.linalg.norm(b, axis=-1),
        positions=tuple(positions),
        choices=tuple(p for p, differs in zip(positions, wrong, strict=True) if differs),
    )
