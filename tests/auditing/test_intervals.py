"""Intervals against worked and published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from camelx.auditing.intervals import difference, geometric_mean, kappa, mean_of, ratio_of_means, share
from camelx.auditing.records import Figure, Mean


def test_a_share_has_wilsons_interval():
    figure = share(8, 10, "nothing")
    assert (figure.value, figure.n) == (0.8, 10)
    assert (figure.low, figure.high) == (pytest.approx(0.49016, abs=1e-5), pytest.approx(0.94332, abs=1e-5))


def test_a_share_of_nothing_says_why():
    assert share(0, 0, "no pair was judged").reason == "no pair was judged"


def test_an_interval_of_none_or_all_has_width_and_stays_within_bounds():
    none, every = share(0, 5, ""), share(5, 5, "")
    assert none.low == 0
    assert every.high == 1
    assert 0 < none.high < 1
    assert 0 < every.low < 1


def test_a_difference_has_newcombes_published_interval():
    figure = difference(share(56, 70, ""), share(48, 80, ""))
    assert figure.value == pytest.approx(0.2)
    assert (figure.low, figure.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_a_difference_takes_over_the_reason_of_the_side_that_is_missing():
    assert difference(share(1, 2, ""), share(0, 0, "no baseline")).reason == "no baseline"


def test_kappa_of_a_worked_example():
    one, other = np.array([1.0, 1, 1, -1, -1]), np.array([1.0, 1, -1, -1, -1])
    figure = kappa(one, other, "")
    assert figure.value == pytest.approx((0.8 - 0.48) / (1 - 0.48))
    assert figure.n == 5
    assert figure.low < figure.value < figure.high <= 1


def test_kappa_is_minus_one_for_opposites_and_unmeasurable_where_chance_explains_all():
    assert kappa(np.array([1.0, -1]), np.array([-1.0, 1]), "").value == pytest.approx(-1)
    same = np.ones(4)
    assert "one and the same verdict" in kappa(same, same, "").reason
    assert kappa(np.empty(0), np.empty(0), "nobody").reason == "nobody"


def test_ratios_average_as_their_logarithms():
    assert geometric_mean(np.array([2.0, 0.5]), "").value == pytest.approx(1.0)
    alone = geometric_mean(np.array([3.0]), "")
    assert (alone.value, alone.low) == (pytest.approx(3.0), None)


def test_a_ratio_of_means_is_the_less_sure_the_more_the_values_vary():
    sure = ratio_of_means(Mean(n=50, mean=30, sd=1), Mean(n=50, mean=10, sd=1))
    vague = ratio_of_means(Mean(n=3, mean=30, sd=20), Mean(n=50, mean=10, sd=1))
    assert sure.value == vague.value == 3.0
    assert sure.low > 2.5
    assert vague.low < 1
    assert ratio_of_means(Mean(n=1, mean=30, sd=0), Mean(n=50, mean=10, sd=1)).reason


def test_a_mean_carries_its_spread():
    found = mean_of(np.array([1.0, 3.0]))
    assert (found.n, found.mean, found.sd) == (2, 2.0, pytest.approx(2**0.5))
    assert mean_of(np.empty(0)) is None


def test_a_figure_is_measured_or_says_why_not():
    for fields in ({"value": None}, {"value": 1.0, "reason": "x"}):
        with pytest.raises(ValidationError, match="a value or a reason"):
            Figure(**fields)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_no_number_of_the_report_is_nan_or_infinite(number):
    for fields in ({"value": number}, {"value": 0.5, "low": number}, {"value": 0.5, "high": number}):
        with pytest.raises(ValidationError, match="finite number"):
            Figure(**fields)
    with pytest.raises(ValidationError, match="finite number"):
        Mean(n=2, mean=number, sd=0)
