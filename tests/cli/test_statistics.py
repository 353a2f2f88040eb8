"""What the bench says of samples, against NumPy and against the rules that it states."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelrt.bench.statistics import quantile, summarise
from kernelrt.errors import RunError

TIMES = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=40)


@given(TIMES, st.floats(0, 1))
def test_quantiles_are_those_of_numpy(samples: list[float], share: float) -> None:
    expected = float(np.quantile(np.array(samples), share))
    assert quantile(sorted(samples), share) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(TIMES)
def test_a_summary_is_ordered_and_within_the_samples(samples: list[float]) -> None:
    found = summarise("x", samples)
    assert found.count == len(samples)
    assert min(samples) <= found.p10 <= found.median <= found.p90 <= max(samples)


@given(TIMES, st.randoms())
def test_the_order_of_samples_changes_no_figure(samples: list[float], random: object) -> None:
    shuffled = list(samples)
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]  # hypothesis gives a random.Random
    one, other = summarise("x", samples), summarise("x", shuffled)
    assert (one.median, one.p10, one.p90) == (other.median, other.p10, other.p90)
    assert sorted(samples[i] for i in one.outliers) == sorted(shuffled[i] for i in other.outliers)


@given(st.floats(1e-6, 1e6), st.integers(1, 50))
def test_equal_samples_have_no_spread_and_no_outlier(value: float, count: int) -> None:
    found = summarise("x", [value] * count)
    assert (found.median, found.p10, found.p90, found.outliers) == (value, value, value, ())


@given(TIMES)
def test_outliers_are_marked_by_the_stated_rule_and_kept(samples: list[float]) -> None:
    found = summarise("x", samples)
    q1, q3 = (float(q) for q in np.quantile(np.array(samples), (0.25, 0.75)))
    reach = 1.5 * (q3 - q1)
    slack = 1e-9 * max(1.0, q3)  # NumPy's rounding
    for i, sample in enumerate(samples):
        if i in found.outliers:
            assert not q1 - reach + slack < sample < q3 + reach - slack
        else:
            assert q1 - reach - slack <= sample <= q3 + reach + slack


def test_one_slow_sample_is_an_outlier_and_still_counts() -> None:
    found = summarise("x", [1.0, 1.1, 0.9, 1.05, 0.95, 9.0])
    assert found.outliers == (5,)
    assert found.count == 6
    assert found.p90 > 5, "it was not dropped"


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1e-9])
def test_a_sample_that_is_no_time_is_refused_by_number(wrong: float) -> None:
    with pytest.raises(RunError, match=r"decode: sample 2 is .*measuring fault"):
        summarise("decode", [1.0, 2.0, wrong])
    with pytest.raises(RunError, match="no sample"):
        summarise("decode", [])
