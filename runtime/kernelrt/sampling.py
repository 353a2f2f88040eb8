"""How the next token is chosen."""

import math
from dataclasses import dataclass

from kernelrt.errors import InputError
from kernelrt.specfile import INT32_MAX, shown

_MOST = 100.0  # of temperature and repetition penalty: no sense above it, and 32-bit floats stay finite


@dataclass(frozen=True, slots=True)
class Sampling:
    """The order of the limits is that of transformers: repetition penalty, temperature, top-k, top-p.

    The defaults take the most probable token. Construction checks the values: InputError, naming the option.
    """

    temperature: float = 0.0  # 0 (to 1e-30): always the most probable token
    top_k: int = 0  # of the k most probable tokens; 0: no limit
    top_p: float = 1.0  # of the fewest most probable tokens that have this share of the probability
    seed: int = 0  # 32 bits; the same seed gives the same tokens
    repetition_penalty: float = 1.0  # divides a positive logit of a token that was there, multiplies a negative one

    def __post_init__(self) -> None:
        _number(self, "temperature", 0.0, _MOST)
        _number(self, "top_p", 0.0, 1.0, above=True)
        _number(self, "repetition_penalty", 1 / _MOST, _MOST)
        _integer(self, "top_k", INT32_MAX)
        _integer(self, "seed", 2**32 - 1)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _integer(sampling: Sampling, name: str, high: int) -> None:
    value: object = getattr(sampling, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{_option(name)}: {shown(value)} is not an integer")
    if not 0 <= value <= high:
        raise InputError(f"{_option(name)}: {shown(value)} is {'below 0' if value < 0 else f'above {high}'}")


def _number(sampling: Sampling, name: str, low: float, high: float, *, above: bool = False) -> None:
    value: object = getattr(sampling, name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"{_option(name)}: {shown(value)} is not a number")
    if not abs(value) < math.inf:
        raise InputError(f"{_option(name)}: {shown(value)} is not finite")
    if value < low or value > high:
        raise InputError(f"{_option(name)}: {shown(value)} is {f'below {low:g}' if value < low else f'above {high:g}'}")
    if above and value == low:
        raise InputError(f"{_option(name)}: {shown(value)} is not above {low:g}")
    object.__setattr__(sampling, name, float(value))
