"""The audit as a whole: its headline, its costs, and what it takes from earlier cycles."""

from __future__ import annotations

import pandas as pd
import pytest

from auditing.panels import audited, both_orders, exported, votes_frame

VOTES = votes_frame(*both_orders("ann", 2, 1, -1))
LABELS = pd.DataFrame(
    {"goal_id": ["g"] * 2, "first_id": ["a", "b"], "second_id": ["b", "a"], "outcome": [1.0, -1.0]}
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "No human has judged any pair: agreement was taken for quality."),
        (
            {"conflicts": ("ann against bob",)},
            "No human has judged any pair: agreement was taken for quality. The reviewers contradict each "
            "other, and votes alone can't tell who is right.",
        ),
        (
            {"anchors": LABELS},
            "People judged 1 pair, but the ranker did not use them: agreement was taken for quality.",
        ),
        (
            {"anchors": LABELS, "panel_verified": True},
            "People judged 1 pair, and the reviewers were calibrated on them before their votes were "
            "counted.",
        ),
    ],
)
def test_the_headline_says_what_the_ranking_rests_on(given, said):
    audit = audited(VOTES, **given)
    assert audit.headline == said
    assert audit.is_verified == given.get("panel_verified", False)


def test_costs_are_given_in_all_per_pair_and_as_saved():
    costs = audited(
        VOTES, exported=exported(4), costs={"calls": 60, "tokens": 2_000, "money": 0.5, "all_calls": 100}
    ).costs
    assert (costs["calls"].value, costs["calls_per_pair"].value) == (60, 15)
    assert (costs["tokens_per_pair"].value, costs["money_per_pair"].value) == (500, 0.125)
    assert costs["saved_calls"].value == pytest.approx(0.4)


def test_costs_that_are_not_known_say_why():
    none = audited(
        VOTES, exported=exported(1), costs={"calls": 0, "tokens": 0, "money": 0, "all_calls": 0}
    ).costs
    assert {figure.reason for figure in none.values()} == {
        "no call of a reviewer was counted; votes that were made elsewhere cost none"
    }
    free = audited(VOTES, costs={"calls": 5, "tokens": 10, "money": 0.0, "all_calls": 5}).costs
    assert free["money"].reason == "no backend of a reviewer has a price"
    assert free["calls_per_pair"].reason == "no pair was exported"
    assert free["saved_calls"].value == 0


def test_earlier_reports_are_taken_up_but_not_the_cycles_own():
    first = audited(VOTES, cycle_id="c1", exported=exported(3))
    second = audited(VOTES, earlier=[first.as_json()])
    again = audited(VOTES, earlier=[first.as_json(), second.as_json()])
    assert second.earlier == (first.cycle,)
    assert again == second


def test_an_earlier_report_that_cannot_be_read_is_left_out_and_named():
    first = audited(VOTES, cycle_id="c1")
    audit = audited(
        VOTES, earlier=[{}, first.as_json(), {"cycle": first.as_json()["cycle"] | {"weights": 3}}]
    )
    assert [cycle.cycle_id for cycle in audit.earlier] == ["c1"]
    assert len(audit.left_out) == 2
    assert "panel.json 3 of 3, at cycle.weights" in audit.left_out[1]


def test_an_earlier_report_with_more_in_it_is_understood():
    first = audited(VOTES, cycle_id="c1").as_json()
    first["cycle"]["new_in_a_later_version"] = 1
    assert audited(VOTES, earlier=[first]).earlier[0].cycle_id == "c1"
