"""The oracle of sampling itself: known answers of Philox, and the distribution of what it draws."""

import secrets

import numpy as np

from kernelrt.params import Sequence
from tests.oracle import choice


def test_philox_gives_the_published_answers() -> None:
    ones = 0xFFFFFFFF
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    counters = np.array([(0, 0, 0, 0), (ones,) * 4, pi], np.uint32)
    keys = np.array([(0, 0), (ones, ones), (0xA4093822, 0x299F31D0)], np.uint32)
    answers = [
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ]
    np.testing.assert_array_equal(choice.philox(counters, keys), np.array(answers, np.uint32))


def test_noise_is_exponential() -> None:
    seed = secrets.randbits(32)
    noise = np.sort(choice.exponentials(np.arange(100_000), seed, position=7))
    assert noise[0] > 0
    # Kolmogorov-Smirnov: the chance of a distance of 2.7 / sqrt(n) is 1e-6.
    distance = np.abs(1 - np.exp(-noise) - (np.arange(100_000) + 0.5) / 100_000).max()
    assert distance < 2.7 / 100_000**0.5, f"seed {seed}"


def test_limits_keep_the_fewest_most_probable() -> None:
    logits = np.log(np.array([0.1, 0.4, 0.1, 0.3, 0.1])).astype(np.float32)

    def drawn(**limits: float) -> set[int]:
        sequences = (Sequence(temperature=1.0, seed=seed, **limits) for seed in range(400))  # pyright: ignore[reportArgumentType]
        return {choice.sample(logits, sequence).token for sequence in sequences}

    assert drawn() == {0, 1, 2, 3, 4}
    assert drawn(top_k=3) == {0, 1, 3}  # of three equal ones the lowest id
    assert drawn(top_p=0.35) == {1}
    assert drawn(top_p=0.69) == {1, 3}
    assert drawn(top_p=0.85) == {0, 1, 2, 3}
    assert drawn(top_k=2, top_p=0.6) == {1, 3}  # 0.4 is 57 % of the two
    assert drawn(top_k=2, top_p=0.55) == {1}
