"""Each figure of a reviewer, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from auditing.panels import audited, both_orders, reviewer, votes_frame
from camelx.errors import DataValidationError


def test_a_verdict_that_changes_with_the_order_is_a_flip_and_a_tie_in_both_orders_is_none():
    votes = votes_frame(
        *both_orders("ann", 1, 1, -1, "same"),
        *both_orders("ann", 1, 1, 1, "flipped"),
        *both_orders("ann", 1, 0, 1, "half"),
        *both_orders("ann", 1, 0, 0, "ties"),
        ("ann", "alone/a", "alone/b", 1),
    )
    flips = reviewer(audited(votes), "ann").flip_rate
    assert (flips.value, flips.n) == (0.5, 4)
    assert (flips.low, flips.high) == (pytest.approx(0.15, abs=1e-2), pytest.approx(0.85, abs=1e-2))


def test_first_position_preference_counts_decided_votes_only():
    votes = votes_frame(
        ("ann", "g/a", "g/b", 1),
        ("ann", "g/b", "g/a", 1),
        ("ann", "h/a", "h/b", -1),
        ("ann", "h/b", "h/a", 0),
    )
    found = reviewer(audited(votes), "ann")
    assert (found.first_preference.value, found.first_preference.n) == (pytest.approx(2 / 3), 3)
    assert (found.ties.value, found.ties.n) == (0.25, 4)
    assert (found.same_answer.answer, found.same_answer.share.value) == ("first", 0.5)


def test_unreadable_votes_are_a_share_of_all_and_count_nowhere_else():
    votes = votes_frame(("ann", "g/a", "g/b", None), ("ann", "g/b", "g/a", 1), ("bob", "g/a", "g/b", None))
    audit = audited(votes)
    ann, bob = reviewer(audit, "ann"), reviewer(audit, "bob")
    assert (ann.unreadable.value, ann.unreadable.n, ann.n_counted) == (0.5, 2, 1)
    assert bob.unreadable.value == 1.0
    assert bob.ties.reason == bob.first_preference.reason == "it gave no readable vote on others' work"
    assert bob.same_answer.answer is None
    assert bob.agreement.reason == "it gave no readable vote on others' work"


def test_nothing_but_ties_leaves_no_first_position_preference():
    found = reviewer(audited(votes_frame(("ann", "g/a", "g/b", 0))), "ann")
    assert found.first_preference.reason == "it gave nothing but ties"
    assert found.same_answer.answer == "tie"


def test_after_a_discussion_the_last_readable_vote_counts():
    votes = votes_frame(
        ("ann", "g/a", "g/b", 1),
        ("ann", "g/a", "g/b", -1, 1),
        ("bob", "g/a", "g/b", 1),
        ("bob", "g/a", "g/b", None, 1),
    )
    audit = audited(votes)
    ann, bob = reviewer(audit, "ann"), reviewer(audit, "bob")
    assert (ann.n_votes, ann.n_counted, ann.same_answer.answer) == (2, 1, "second")
    assert (bob.n_counted, bob.same_answer.answer, bob.unreadable.value) == (1, "first", 0.5)
    assert audit.counts["after_discussion"] == 2


def test_self_preference_sets_own_votes_against_the_others_on_the_same_pairs():
    authors = {"g/a": "ann", "g/b": "bob", "h/a": "ann", "h/b": "bob"}
    votes = votes_frame(
        ("ann", "g/a", "g/b", 1),
        ("ann", "g/b", "g/a", -1),
        ("cat", "g/a", "g/b", -1),
        ("cat", "g/b", "g/a", 0),
        ("ann", "h/a", "h/b", 1),
        authors=authors,
    )
    audit = audited(votes)
    ann = reviewer(audit, "ann").self_preference
    assert (ann.own.value, ann.own.n) == (1.0, 1)  # on g; nobody else judged h
    assert (ann.others.value, ann.others.n) == (0.25, 1)
    assert ann.difference.value == 0.75
    assert audit.counts["own_work"] == 3
    assert reviewer(audit, "ann").n_counted == 0
    assert "no vote on its own work" in reviewer(audit, "cat").self_preference.own.reason


def test_the_opponents_own_vote_is_no_witness_of_self_preference():
    votes = votes_frame(
        ("ann", "g/a", "g/b", 1), ("bob", "g/a", "g/b", -1), authors={"g/a": "ann", "g/b": "bob"}
    )
    own = reviewer(audited(votes), "ann").self_preference.own
    assert own.reason == "no other reviewer judged the pairs with its own work"


def test_agreement_is_kappa_on_the_pairs_that_both_judged_with_orders_pooled():
    says = {"ann": (1, 1, 1, -1, -1), "bob": (1, 1, -1, -1, -1)}
    rows = [(judge, f"g{k}/a", f"g{k}/b", o) for judge, list_ in says.items() for k, o in enumerate(list_)]
    # cat sees one pair in both orders and contradicts itself: a tie; nobody else sees its other pair.
    rows += [("cat", "g0/a", "g0/b", 1), ("cat", "g0/b", "g0/a", 1), ("cat", "z/a", "z/b", 1)]
    matrix = {(a.one, a.other): a.kappa for a in audited(votes_frame(*rows)).agreement}
    assert matrix["ann", "bob"].value == pytest.approx(0.32 / 0.52)
    assert matrix["ann", "bob"].n == 5
    assert (matrix["ann", "cat"].value, matrix["ann", "cat"].n) == (0.0, 1)


def test_reviewers_without_a_common_pair_are_not_comparable():
    audit = audited(votes_frame(("ann", "g/a", "g/b", 1), ("bob", "h/a", "h/b", 1)))
    assert audit.agreement[0].kappa.reason == "there is no pair that both judged"
    assert reviewer(audit, "ann").agreement.reason == "no other reviewer judged the same pairs"


def test_agreement_with_the_others_is_that_with_their_majority():
    rows = [
        (judge, f"g{k}/a", f"g{k}/b", outcome)
        for judge, says in {"ann": (1, -1), "bob": (1, -1), "cat": (1, -1), "dot": (-1, 1)}.items()
        for k, outcome in enumerate(says)
    ]
    audit = audited(votes_frame(*rows))
    assert reviewer(audit, "ann").agreement.value == 1.0
    assert reviewer(audit, "dot").agreement.value == -1.0


def test_what_the_ranker_learned_is_kept_and_its_gaps_are_left_out():
    judges = pd.DataFrame(
        {
            "judge": ["ann"],
            "weight": [-0.4],
            "n_votes": [9],
            "reliability": [0.7],
            "self_bias": [float("nan")],
        }
    )
    found = reviewer(audited(votes_frame(("ann", "g/a", "g/b", 1)), judges=judges), "ann")
    assert found.weight.value == -0.4
    assert found.learned == {"reliability": 0.7}


def test_one_reviewer_alone_has_all_figures_but_agreement():
    audit = audited(votes_frame(*both_orders("ann", 3, 1, -1)))
    assert audit.agreement == ()
    assert reviewer(audit, "ann").flip_rate.value == 0.0


def test_no_votes_give_an_audit_that_says_so():
    audit = audited()
    assert audit.reviewers == ()
    assert audit.headline.startswith("No reviewer's vote counts here")
    assert audit.length.votes.differing.reason
    assert audit.counts["votes"] == 0


def test_shuffled_rows_give_the_same_audit():
    votes = votes_frame(
        *both_orders("ann", 3, 1, -1), *both_orders("bob", 3, 0, 1), ("ann", "q/a", "q/b", None)
    )
    assert audited(votes.sample(frac=1, random_state=3)) == audited(votes)


def test_a_frame_without_authors_is_refused_by_name_of_the_column():
    with pytest.raises(DataValidationError, match="first_author"):
        audited(votes_frame().drop(columns="first_author"))


def test_a_frame_without_rounds_and_forms_is_taken():
    votes = votes_frame(("ann", "g/a", "g/b", 1)).drop(columns=["round", "form"])
    assert reviewer(audited(votes), "ann").n_counted == 1
