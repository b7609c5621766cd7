"""Replies of every form, as one verdict per pair."""

from __future__ import annotations

from itertools import combinations

import pytest

from camelx.errors import DataValidationError, JudgeParseError
from camelx.ranking import read_reply, shown_order
from camelx.schemas import Verdict, Vote

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE


def votes(shown):
    return [
        Vote(id=f"{a}{b}", cycle_id="c", goal_id="g", judge="rex", first_id=a, second_id=b, verdict=None)
        for a, b in combinations(shown, 2)
    ]


def test_a_ranking_is_one_verdict_for_each_pair_of_shown_results():
    said = read_reply("listwise", "Because.\nRanking: B > A = C", 3)
    assert said == (SECOND, TIE, FIRST)  # A-B, A-C, B-C


def test_marks_are_compared_and_equal_ones_tie():
    assert read_reply("rating", "Ratings: A=4, B=2, C=4", 3) == (FIRST, TIE, SECOND)


def test_a_pair_has_the_verdict_that_it_always_had():
    assert read_reply("pairwise", "Verdict: B", 2) == (SECOND,)


@pytest.mark.parametrize(
    ("form", "reply", "n"),
    [
        ("listwise", "Ranking: A > B", 3),
        ("listwise", "Ranking: A > B > C > D", 3),
        ("listwise", "Verdict: A", 2),
        ("rating", "Ratings: A=6, B=2", 2),
        ("rating", "Ratings: A=4", 2),
        ("pairwise", "Ranking: A > B", 2),
    ],
)
def test_what_is_not_whole_and_in_its_form_is_not_read(form, reply, n):
    with pytest.raises(JudgeParseError):
        read_reply(form, reply, n)


@pytest.mark.parametrize("shown", [("x", "y"), ("z", "x", "y"), ("d", "a", "c", "b")])
def test_the_order_shown_comes_back_from_the_votes_however_they_lie(shown):
    assert shown_order(votes(shown)) == shown
    assert shown_order(votes(shown)[::-1]) == shown


def test_votes_of_two_turns_have_no_order():
    with pytest.raises(DataValidationError, match="not one for each pair"):
        shown_order([*votes("xy"), *votes("yx")])
    with pytest.raises(DataValidationError, match="not one for each pair"):
        shown_order([*votes("xy"), *votes("yz")])
