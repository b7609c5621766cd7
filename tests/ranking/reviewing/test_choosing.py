"""What the next vote would tell: beliefs, gains, orders, reviewers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.reliable import Link
from camelx.ranking.reliable.model import believe, pool_opinions
from camelx.ranking.reviewing.choosing import Ask, VoteChooser
from camelx.ranking.reviewing.knowledge import Known, learn_reviewers, nothing_known
from camelx.ranking.votes import VOTE_COLUMNS, tabulate_votes

PAIRS = np.array([[0, 1], [0, 2], [1, 2], [1, 3]])


def chooser(known=None, pairs=PAIRS, n_goals=1, n_reviewers=2, may_ask=None, prices=None, **options):
    if may_ask is None:
        may_ask = np.ones((2, len(pairs), n_reviewers), dtype=bool)
    made = VoteChooser(
        [pairs] * n_goals,
        [may_ask] * n_goals,
        prices=np.ones(n_reviewers) if prices is None else np.array(prices),
        **options,
    )
    if known is not None:
        made.learn(known)
    return made


def known(n_reviewers=2, shared=0.0, own=1.0, transitivity=0.5, **arrays):
    base = nothing_known(n_reviewers)
    arrays = {name: np.array(values, dtype=float) for name, values in arrays.items()}
    return Known(
        replace(base.reviewers, transitivity=transitivity, **arrays), Link(0.8, 0.1, 1.0), shared, own
    )


def ranker_beliefs(said, known):
    """Return mean and variance of the pairs by the ranker's own E step."""
    rows = []
    for (order, pair, j), outcome in said.items():
        low, high = PAIRS[pair]
        first, second, z = (low, high, outcome) if order else (high, low, -outcome)
        rows.append(("g", f"r{j}", str(first), str(second), None, None, z, str(len(rows))))
    table = tabulate_votes(pd.DataFrame(rows, columns=list(VOTE_COLUMNS)).astype({"outcome": float}))
    opinions = pool_opinions(table, table.judge, len(table.agents), ReliablePeerRankConfig())
    beliefs = believe(opinions, known.reviewers, known.shared, known.own)
    return beliefs.difference, beliefs.variance


@pytest.mark.parametrize(
    "reviewers",
    [
        known(),
        known(shared=0.5, own=0.3, transitivity=0.8),
        known(discrimination=[0.9, 0.2], omega=[-0.1, 0.3], sigma=[0.6, 0.1], first_bias=[0.3, -0.2]),
        known(discrimination=[0.6, -0.4], pinned=[1.0, -0.7]),
    ],
    ids=["alike", "shared errors", "different", "turned round by labels"],
)
def test_beliefs_are_those_of_the_ranker(reviewers):
    rng = np.random.default_rng(0)
    said = {
        (order, pair, j): float(rng.integers(-1, 2))
        for pair in range(4)
        for j in range(2)
        for order in range(2)
        if j == 0 or order == pair % 2
    }
    made = chooser(reviewers)
    for (order, pair, j), outcome in said.items():
        made.record(Ask(0, pair, j, bool(order)), outcome)
    mean, covariance = made.believe(0)
    expected_mean, expected_variance = ranker_beliefs(said, reviewers)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(np.diagonal(covariance), expected_variance, atol=1e-6)


def test_what_is_learned_later_weighs_the_votes_as_if_it_had_been_known():
    later = known(discrimination=[0.9, 0.1], first_bias=[0.2, 0.0], transitivity=0.8, shared=0.4)
    early, late = chooser(later), chooser()
    for made in (early, late):
        for ask, outcome in (
            (Ask(0, 0, 0, True), 1.0),
            (Ask(0, 1, 1, False), -1.0),
            (Ask(0, 0, 1, True), 0.0),
        ):
            made.record(ask, outcome)
    late.learn(later)
    np.testing.assert_allclose(early.believe(0)[0], late.believe(0)[0], atol=1e-12)
    np.testing.assert_allclose(early.believe(0)[1], late.believe(0)[1], atol=1e-12)


def test_a_vote_under_way_makes_surer_and_turns_nothing():
    made = chooser(known())
    made.record(Ask(0, 0, 0, True), 1.0)
    mean, covariance = made.believe(0)
    made.reserve(Ask(0, 0, 1, False))
    np.testing.assert_allclose(made.believe(0)[0], mean, atol=1e-9)
    assert made.believe(0)[1][0, 0] < covariance[0, 0]


def test_an_answer_that_never_came_leaves_no_trace():
    made = chooser(known())
    made.record(Ask(0, 0, 0, True), 1.0)
    mean, covariance = made.believe(0)
    ask = Ask(0, 1, 1, False)
    made.reserve(ask)
    made.record(ask, float("nan"))
    np.testing.assert_allclose(made.believe(0)[0], mean, atol=1e-9)
    np.testing.assert_allclose(made.believe(0)[1], covariance, atol=1e-9)
    assert not made.is_open(ask)


def test_the_goal_with_the_closest_pair_comes_first():
    made = chooser(known(), pairs=PAIRS[:1], n_goals=2)
    for goal, outcomes in ((0, (1.0, 1.0)), (1, (1.0, -1.0))):
        for order, outcome in enumerate(outcomes):
            made.record(Ask(goal, 0, 0, bool(order)), outcome)
    assert made.next().goal == 1


def test_the_second_order_is_worth_most_of_a_reviewer_who_flips():
    # The votes of the first cancel over the two orders, those of the second repeat each other.
    made = chooser(known(omega=[-0.35, 0.3], sigma=[0.9, 0.05]), pairs=PAIRS[:1])
    made.record(Ask(0, 0, 0, True), 1.0)
    made.record(Ask(0, 0, 1, True), -1.0)
    assert made.next() == Ask(0, 0, 0, False)


def test_a_pair_is_shown_in_the_order_that_it_was_seen_in_less():
    for first in (True, False):
        made = chooser(known(n_reviewers=3), pairs=PAIRS[:1], n_reviewers=3, reviewers_per_pair=3)
        made.record(Ask(0, 0, 0, first), 1.0)
        made.record(Ask(0, 0, 0, not first), float("nan"))
        made.record(Ask(0, 0, 1, first), -1.0)
        assert made.next().is_low_first != first


def test_who_may_not_be_asked_never_is_and_each_vote_is_asked_once():
    may_ask = np.ones((2, 4, 3), dtype=bool)
    may_ask[:, 0, 1] = may_ask[1, 2, 0] = False
    made, seen = chooser(known(3), may_ask=may_ask, n_reviewers=3), []
    while (ask := made.next(-1.0)) is not None:
        seen.append((ask.order, ask.pair, ask.reviewer))
        made.record(ask, 0.0)
    assert len(seen) == len(set(seen))
    assert set(seen) == set(zip(*map(np.ndarray.tolist, np.nonzero(may_ask)), strict=True))


def test_no_more_reviewers_than_allowed_see_a_pair():
    made, seen = chooser(known(4), n_reviewers=4, reviewers_per_pair=2), {}
    while (ask := made.next(-1.0)) is not None:
        seen.setdefault(ask.pair, []).append(ask.reviewer)
        made.record(ask, 1.0)
    assert all(len(asked) == 4 and len(set(asked)) == 2 for asked in seen.values())


def test_the_same_information_is_bought_where_it_is_cheaper():
    assert chooser(known(), prices=[1.5, 0.5]).next().reviewer == 1
    assert chooser(known(), prices=[0.5, 1.5]).next().reviewer == 0


def test_a_goal_waits_for_its_answers():
    made = chooser(known(), n_goals=2)
    for _ in range(2):
        made.reserve(made.next())
    assert made.next() is None
    assert chooser(known(), n_goals=1, most_under_way=2).next() is not None


def test_a_closed_goal_is_not_offered():
    made = chooser(known(), n_goals=2)
    made.close(0)
    goals = set()
    while (ask := made.next(-1.0)) is not None:
        goals.add(ask.goal)
        made.record(ask, 1.0)
    assert goals == {1}


def test_pairs_that_lean_and_were_seen_in_one_order_are_counted():
    made = chooser(known(discrimination=[0.9, 0.9], sigma=[0.05, 0.05], omega=[0.0, 0.0]), export_weight=0.3)
    assert made.n_lopsided[0] == 0
    made.record(Ask(0, 3, 0, True), 1.0)
    assert made.n_lopsided[0] == 1
    made.record(Ask(0, 3, 1, False), 1.0)
    assert made.n_lopsided[0] == 0


def test_a_goal_with_very_many_pairs_is_bought_from_too():
    pairs = np.array([(i, j) for i in range(24) for j in range(i + 1, 24)])
    made = chooser(known(), pairs=pairs)
    for _ in range(30):
        ask = made.next()
        assert ask is not None
        made.record(ask, 1.0)


def test_reviewers_who_have_not_voted_keep_the_prior():
    rows = [(f"g{i}", "rex", "a", "b", None, None, 1.0 if i % 3 else -1.0, f"v{i}") for i in range(30)]
    votes = pd.DataFrame(rows, columns=list(VOTE_COLUMNS))
    learned = learn_reviewers(votes, ["new", "rex"], ReliablePeerRankConfig()).reviewers
    prior = nothing_known(1).reviewers
    for name in ("discrimination", "omega", "sigma", "first_bias"):
        assert getattr(learned, name)[0] == getattr(prior, name)[0]
    assert learned.first_bias[1] > 0
    assert learn_reviewers(votes[:0], ["rex"], ReliablePeerRankConfig()).shared == 0.0


def test_labels_turn_a_reviewer_round():
    rng = np.random.default_rng(1)
    rows, labels = [], []
    for i in range(60):
        truth = 1.0 if rng.random() < 0.5 else -1.0
        labels.append((f"g{i}", "a", "b", truth))
        for judge, sign in (("wrong", -1.0), ("wrong too", -1.0), ("right", 1.0)):
            for first, second, side in (("a", "b", 1.0), ("b", "a", -1.0)):
                outcome = sign * truth * side if rng.random() < 0.9 else 0.0
                rows.append((f"g{i}", judge, first, second, None, None, outcome, f"v{len(rows)}"))
    votes = pd.DataFrame(rows, columns=list(VOTE_COLUMNS))
    anchors = pd.DataFrame(labels[:30], columns=["goal_id", "first_id", "second_id", "outcome"])
    judges = ["right", "wrong", "wrong too", "absent"]
    learned = learn_reviewers(votes, judges, ReliablePeerRankConfig(), anchors)
    assert learned.reviewers.pinned[0] > 0 > learned.reviewers.pinned[1]
    assert learned.reviewers.pinned[3] == 0
    made = chooser(learned, pairs=PAIRS[:1], n_reviewers=4)
    made.record(Ask(0, 0, 1, True), 1.0)
    assert made.weights(0)[0] < 0
