"""Length preference, of votes, people and exported pairs, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from auditing.panels import audited, exported, reviewer, votes_frame
from camelx.schemas import Role

TEXTS = {"g/a": "x" * 100, "g/b": "x" * 50, "h/a": "x" * 100, "h/b": "x" * 95, "e/a": "xx", "e/b": "yy"}


def test_the_longer_text_is_counted_apart_for_unequal_and_for_matched_lengths():
    votes = votes_frame(
        ("ann", "g/a", "g/b", 1),
        ("ann", "g/b", "g/a", -1),
        ("bob", "g/a", "g/b", -1),
        ("ann", "h/a", "h/b", -1),
        ("ann", "h/b", "h/a", -1),
        ("ann", "e/a", "e/b", 1),
        ("bob", "g/b", "g/a", 0),
    )
    audit = audited(votes, texts=TEXTS)
    of_all = audit.length.votes
    assert (of_all.differing.value, of_all.differing.n) == (pytest.approx(2 / 3), 3)
    assert (of_all.matched.value, of_all.matched.n) == (0.5, 2)  # h/a lost, then won
    assert of_all.difference.value == pytest.approx(1 / 6)
    ann, bob = reviewer(audit, "ann").length, reviewer(audit, "bob").length
    assert (ann.differing.value, ann.differing.n) == (1.0, 2)
    assert (bob.differing.value, bob.differing.n) == (0.0, 1)
    assert "nearly, but not quite" in bob.matched.reason
    assert bob.difference.reason == bob.matched.reason


def test_ten_per_cent_more_is_a_difference_and_less_is_matched():
    texts = {"g/a": "x" * 110, "g/b": "x" * 100, "h/a": "x" * 109, "h/b": "x" * 100}
    votes = votes_frame(("ann", "g/a", "g/b", 1), ("ann", "h/a", "h/b", 1))
    found = audited(votes, texts=texts).length.votes
    assert (found.differing.n, found.matched.n) == (1, 1)


def test_texts_that_are_not_known_leave_no_length_to_prefer():
    found = audited(votes_frame(("ann", "g/a", "g/b", 1)), texts={"g/a": "long"}).length.votes
    assert "lengths are known to differ" in found.differing.reason


def test_people_stand_beside_the_votes_whichever_way_round_they_saw_the_pair():
    anchors = pd.DataFrame(
        {
            "goal_id": ["g", "h"],
            "first_id": ["g/b", "h/a"],
            "second_id": ["g/a", "h/b"],
            "outcome": [-1.0, 1.0],
        }
    )
    people = audited(texts=TEXTS, anchors=anchors).length.people
    assert (people.differing.value, people.differing.n) == (1.0, 1)
    assert (people.matched.value, people.matched.n) == (1.0, 1)
    assert audited(texts=TEXTS).length.people.differing.reason == "no human has judged any pair"


def test_exported_pairs_show_the_longer_chosen_and_the_mean_ratio():
    pairs = [
        *exported(1, "x" * 40, "x" * 10),
        *exported(1, "x" * 10, "x" * 40),
        *exported(1, "x" * 21, "x" * 20),
    ]
    length = audited(exported=pairs).length
    assert (length.exported.differing.value, length.exported.differing.n) == (0.5, 2)
    assert (length.exported.matched.value, length.exported.matched.n) == (1.0, 1)
    assert length.ratio.value == pytest.approx((4 * 0.25 * 1.05) ** (1 / 3))
    assert length.matched_ratio.value == pytest.approx(1.05)
    assert audited().length.ratio.reason == "no pair was exported"


def test_later_cycles_find_lengths_and_weights_by_role_and_only_votes_have_weights():
    pairs = [
        *exported(2, chosen="x" * 30, weight=0.6),
        *exported(1, chosen="x" * 10, weight=1.0, source="human", role=Role.PROPOSER),
    ]
    cycle = audited(exported=pairs).cycle
    assert (cycle.chosen_chars["executor"].mean, cycle.chosen_chars["proposer"].mean) == (30, 10)
    assert cycle.weights.keys() == {"executor"}
    assert (cycle.weights["executor"].n, cycle.weights["executor"].mean) == (2, pytest.approx(0.6))
