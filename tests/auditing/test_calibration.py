"""Calibration against labels, worked out by hand and on verdicts drawn from what is stated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from auditing.panels import audited
from camelx.auditing.calibration import calibrate


def held_out(stated, outcomes):
    frame = pd.DataFrame(stated, columns=["p_first", "p_tie", "p_second"])
    goals = [f"g{k}" for k in range(len(outcomes))]
    return frame.assign(goal_id=goals, first_id="a", second_id="b", outcome=np.asarray(outcomes, dtype=float))


def test_the_error_of_four_labels_by_hand():
    found = calibrate(held_out([(0.8, 0.1, 0.1)] * 4, [1, 1, 1, -1]))
    assert found.verdict.error.value == pytest.approx(0.8 - 0.75)
    assert found.preferred.error.value == pytest.approx(0.85 - 0.75)
    (bin_,) = found.verdict.bins
    assert (bin_.low, bin_.high, bin_.stated, bin_.met.value, bin_.met.n) == (
        0.8,
        0.9,
        pytest.approx(0.8),
        0.75,
        4,
    )


def test_a_tie_is_half_a_win_for_the_preferred_side_and_a_miss_of_a_decided_verdict():
    found = calibrate(held_out([(0.1, 0.1, 0.8)] * 2, [0, -1]))
    assert found.verdict.bins[0].met.value == 0.5
    assert found.preferred.bins[0].met.value == 0.75


def test_bins_count_every_label_once():
    stated = np.random.default_rng(0).dirichlet((2, 1, 2), 200)
    found = calibrate(held_out(stated, [1] * 200))
    assert sum(b.met.n for b in found.verdict.bins) == sum(b.met.n for b in found.preferred.bins) == 200


def test_honest_probabilities_err_no_more_than_chance_and_boastful_ones_do():
    rng = np.random.default_rng(1)
    stated = rng.dirichlet((2, 1, 2), 2_000)
    outcomes = np.array([rng.choice([1, 0, -1], p=p) for p in stated])
    honest = calibrate(held_out(stated, outcomes))
    boast = calibrate(held_out(stated**4 / (stated**4).sum(axis=1, keepdims=True), outcomes))
    assert honest.verdict.error.low <= honest.verdict.error.value <= honest.verdict.error.high
    assert honest.verdict.error.value < 2 * honest.verdict.by_chance.value
    assert boast.verdict.error.low > 5 * boast.verdict.by_chance.value


def test_without_labels_there_is_no_curve_and_the_reason_is_given():
    calibration = audited().calibration
    assert calibration.verdict.bins == ()
    assert calibration.verdict.error.reason == "no human label lies on a pair that the reviewers judged"
