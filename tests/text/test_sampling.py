"""The sampling options, and their errors."""

import pytest

from kernelrt.errors import InputError
from kernelrt.params import NBYTES, Params, Sequence
from kernelrt.sampling import Sampling
from tests.text.vocabularies import line


def test_the_default_is_greedy_without_limits() -> None:
    plain = Sampling()
    assert (plain.temperature, plain.top_k, plain.top_p, plain.seed, plain.repetition_penalty) == (0.0, 0, 1.0, 0, 1.0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"temperature": -1}, "--temperature: -1 is below 0"),
        ({"temperature": -1e-9}, "--temperature: -1e-09 is below 0"),
        ({"temperature": 101.0}, "--temperature: 101.0 is above 100"),
        ({"temperature": float("nan")}, "--temperature: nan is not finite"),
        ({"temperature": float("inf")}, "--temperature: inf is not finite"),
        ({"temperature": "1"}, "--temperature: '1' is not a number"),
        ({"temperature": True}, "--temperature: True is not a number"),
        ({"temperature": 10**400}, "--temperature: 1000"),
        ({"top_k": -1}, "--top-k: -1 is below 0"),
        ({"top_k": 1.0}, "--top-k: 1.0 is not an integer"),
        ({"top_k": 2**31}, "--top-k: 2147483648 is above 2147483647"),
        ({"top_p": 0}, "--top-p: 0 is not above 0"),
        ({"top_p": -0.5}, "--top-p: -0.5 is below 0"),
        ({"top_p": 1.01}, "--top-p: 1.01 is above 1"),
        ({"top_p": float("nan")}, "--top-p: nan is not finite"),
        ({"seed": -1}, "--seed: -1 is below 0"),
        ({"seed": 2**32}, "--seed: 4294967296 is above 4294967295"),
        ({"seed": None}, "--seed: None is not an integer"),
        ({"seed": False}, "--seed: False is not an integer"),
        ({"repetition_penalty": 0}, "--repetition-penalty: 0 is below 0.01"),
        ({"repetition_penalty": float("-inf")}, "--repetition-penalty: -inf is not finite"),
        ({"repetition_penalty": 1000}, "--repetition-penalty: 1000 is above 100"),
    ],
)
def test_a_wrong_value_is_named_by_its_option(options: dict[str, float], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        Sampling(**options)  # pyright: ignore[reportArgumentType]
    assert line(caught.value).startswith(problem)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0, "top_p": 1},
        {"temperature": 100, "top_k": 2**31 - 1, "top_p": 1e-300, "seed": 2**32 - 1, "repetition_penalty": 100},
        {"repetition_penalty": 0.01},
    ],
)
def test_every_value_allowed_fits_what_the_device_gets(options: dict[str, float]) -> None:
    sampling = Sampling(**options)  # pyright: ignore[reportArgumentType]
    assert all(
        isinstance(value, float) for value in (sampling.temperature, sampling.top_p, sampling.repetition_penalty)
    )
    packed = Sequence(seed=sampling.seed, top_k=sampling.top_k, temperature=sampling.temperature, top_p=sampling.top_p)
    assert len(Params(1, sequences=(packed,)).pack()) == NBYTES
