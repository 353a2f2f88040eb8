"""The choice of tokens in fp64: order, top-k, and sampling with Philox noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.params import Sequence

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

SLACK = 1e-5  # of a portion of the mass, and ten times that of a score: more than float32 functions are off


def descending(logits: NDArray[np.floating]) -> Ids:
    """Ids of [vocab] logits from the greatest; of equal ones the lower id first, NaN last."""
    return np.lexsort((np.arange(len(logits)), -logits.astype(np.float64)))


def penalise(logits: NDArray[np.floating], occurred: NDArray[np.bool_], penalty: float) -> Floats:
    """The repetition penalty on [vocab] logits where a token occurred; `penalty` as float32 has it."""
    x, p = logits.astype(np.float64), float(np.float32(penalty))
    return np.where(occurred, np.where(x > 0, x / p, x * p), x)


def log_sum_exp(logits: NDArray[np.floating]) -> float:
    """log of the sum of exp over [vocab] logits, NaN left out."""
    x = logits[~np.isnan(logits)].astype(np.float64)
    return float(x.max() + np.log(np.exp(x - x.max()).sum()))


def philox(counter: NDArray[np.uint32], key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Philox4x32-10: counters [n, 4] and keys [n, 2] -> words [n, 4] (Salmon et al., SC 2011)."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k = [key[:, i].astype(np.uint64) for i in range(2)]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [b >> np.uint64(32) ^ c[1] ^ k[0], b & low, a >> np.uint64(32) ^ c[3] ^ k[1], a & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(c, axis=1).astype(np.uint32)


def exponentials(ids: Ids, seed: int, position: int) -> Floats:
    """The exponentially distributed noise of tokens `ids`: see kernelc/kernels/sample.py."""
    counter = np.zeros((len(ids), 4), np.uint32)
    counter[:, 0], counter[:, 1] = ids // 4, position
    words = philox(counter, np.tile(np.array([seed, 0], np.uint32), (len(ids), 1)))
    w = words[np.arange(len(ids)), ids % 4].astype(np.int64) | 1
    excess = np.maximum(np.frexp(w.astype(np.float64))[1] - 24, 0)
    return -np.log1p(-np.ldexp((w >> excess << excess).astype(np.float64), -32))


@dataclass(frozen=True)
class Drawn:
    """A drawn token, and whether it stays the same within the rounding of float32 logits' functions."""

    token: int
    settled: bool


def sample(logits: NDArray[np.float32], sequence: Sequence) -> Drawn:
    """Draws from [vocab] logits: temperature, then top-k, then top-p, then the Gumbel-max trick."""
    order = descending(logits)
    if sequence.temperature == 0:
        return Drawn(int(order[0]), True)
    order = order[~np.isnan(logits[order])]
    if sequence.top_k:
        order = order[: sequence.top_k]
    x = (logits[order].astype(np.float64) - float(logits[order[0]])) / float(np.float32(sequence.temperature))
    score = x - np.log(exponentials(order, sequence.seed, sequence.position))
    cumulative = np.cumsum(np.exp(x))
    portion = round(float(np.float32(sequence.top_p)) * 2**24) / 2**24

    def among(portion: float) -> int:
        """How many tokens a draw is among: the fewest most probable with this portion of the mass."""
        return int(np.searchsorted(cumulative, portion * cumulative[-1])) + 1 if sequence.top_p < 1 else len(order)

    place = int(np.argmax(score[: among(portion)]))
    scores = np.sort(score[: among(portion + SLACK)])
    clear = len(scores) == 1 or scores[-1] - scores[-2] > 10 * SLACK
    settled = clear and all(np.argmax(score[: among(portion + slack)]) == place for slack in (SLACK, -SLACK))
    return Drawn(int(order[place]), bool(settled))
