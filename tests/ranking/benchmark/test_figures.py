"""Each figure on numbers that can be checked by eye."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camelx.ranking.benchmark.forecasts import held_out_forecast
from camelx.ranking.benchmark.intervals import (
    agreement,
    calibration_error,
    difference,
    mean_score,
    surest_half,
)


def test_calibration_error_is_the_mean_gap_of_the_bins():
    # Two statements at .75, one right: a gap of .25. Two at .95, both right: one of .05.
    error = calibration_error(
        np.arange(4), np.array([0.75, 0.75, 0.95, 0.95]), np.array([1.0, 0.0, 1.0, 1.0])
    )
    assert error["ece"] == pytest.approx((0.25 + 0.05) / 2)


def test_a_certainty_that_is_right_is_calibrated():
    assert calibration_error(np.arange(3), np.ones(3), np.ones(3))["ece"] == 0.0


def test_the_surest_half_has_the_largest_margins():
    assert surest_half(np.array([0.1, 0.4, 0.2, 0.3, 0.0])).tolist() == [False, True, False, True, False]


def test_an_interval_resamples_goals_and_not_rows():
    score = np.repeat([0.0, 1.0], 500)
    by_goal = mean_score(np.repeat(np.arange(10), 100), score)
    by_row = mean_score(np.arange(1000), score)
    assert by_goal["accuracy"] == by_row["accuracy"] == 0.5
    assert by_goal["accuracy_high"] - by_goal["accuracy_low"] > 0.5
    assert by_row["accuracy_high"] - by_row["accuracy_low"] < 0.1


def test_the_mean_of_nothing_is_no_figure():
    assert mean_score(np.zeros(0, dtype=int), np.zeros(0)) == {}


def test_a_difference_on_the_same_rows_is_surer_than_the_figures_themselves():
    rng = np.random.default_rng(0)
    score = (rng.random(400) < 0.6).astype(float)
    other = np.where(np.arange(400) % 40 == 0, 0.0, score)
    found = difference(np.arange(400), score, other)
    assert found["difference"] == pytest.approx((score - other).mean())
    assert found["difference_high"] - found["difference_low"] < 0.03


def test_verdicts_of_one_class_only_have_no_kappa():
    ones = np.ones(4)
    assert agreement(np.arange(4), ones, ones)["kappa"] == 0.0


def test_the_verdict_is_the_likeliest_of_three_and_the_choice_the_likelier_of_two():
    held_out = pd.DataFrame(
        {
            "first_id": ["a", "a"],
            "second_id": ["b", "c"],
            "p_first": [0.35, 0.2],
            "p_tie": [0.4, 0.1],
            "p_second": [0.25, 0.7],
        }
    )
    truth = pd.DataFrame({"first_id": ["a", "b", "a", "d"], "second_id": ["b", "a", "c", "e"]})
    made = held_out_forecast(held_out, truth)
    assert made.verdict.tolist() == [0.0, 0.0, -1.0, 0.0]
    assert made.choice.tolist() == [1.0, -1.0, -1.0, 0.0]
    assert made.probability[:3] == pytest.approx([0.55, 0.45, 0.25])
    assert made.is_stated.tolist() == [True, True, True, False]
    assert made.scores(np.array([1.0, 1.0, -1.0, 1.0])).tolist() == [1.0, 0.0, 1.0, 0.5]
