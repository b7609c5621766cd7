"""Records from ranked results: executions directly, proposals through them."""

from __future__ import annotations

import numpy as np
import pytest

from camelx.config import BradleyTerryConfig, ReliablePeerRankConfig, WinRateConfig
from camelx.ranking import credit_roles, rank_votes, vote_frame
from camelx.schemas import Interaction, Role, Stage, Verdict, Vote

PARENTS = {"a1": "q", "a2": "q", "b1": "p", "b2": "p"}
RESULTS = {
    i: Interaction(
        id=i,
        cycle_id="c",
        stage=Stage.GENERATE,
        goal_id="g",
        agent="ann",
        role=Role.EXECUTOR,
        parent_id=p,
        model="m",
        completion=i,
    )
    for i, p in PARENTS.items()
}


def votes(*pairs):
    """Both orders of each (winner, loser)."""
    shown = [(w, lo, v) for a, b in pairs for w, lo, v in ((a, b, Verdict.FIRST), (b, a, Verdict.SECOND))]
    return [
        Vote(id=f"v{i}", cycle_id="c", goal_id="g", judge="rex", first_id=a, second_id=b, verdict=v)
        for i, (a, b, v) in enumerate(shown)
    ]


def credited(cast, config, results=RESULTS):
    ranked = rank_votes(vote_frame(cast, {}), config)
    rankings, comparisons = credit_roles(ranked, results, "c", config.kind)
    return {r.interaction_id: r for r in rankings}, {(c.first_id, c.second_id): c for c in comparisons}


def test_a_proposal_gets_the_mean_of_its_executions():
    rankings, _ = credited(votes(("a1", "b1"), ("a2", "b2"), ("a1", "a2")), WinRateConfig(kind="win_rate"))
    assert rankings["q"].score == pytest.approx((rankings["a1"].score + rankings["a2"].score) / 2)
    assert rankings["q"].stderr == pytest.approx(np.hypot(rankings["a1"].stderr, rankings["a2"].stderr) / 2)
    assert (rankings["q"].rank, rankings["p"].rank) == (1, 2)
    assert (rankings["q"].n_votes, rankings["p"].n_votes) == (8, 4)


@pytest.mark.parametrize("config", [BradleyTerryConfig(), ReliablePeerRankConfig()], ids=lambda c: c.kind)
def test_proposals_are_compared_over_the_pairs_across_them_only(config):
    _, comparisons = credited(votes(("a1", "b1"), ("a2", "b2"), ("a1", "a2")), config)
    across = [comparisons[("a1", "b1")].probability, comparisons[("a2", "b2")].probability]
    pair = comparisons[("p", "q")]
    assert pair.role == Role.PROPOSER
    assert pair.probability == pytest.approx(1 - np.mean(across))
    assert (pair.n_votes, pair.n_orders, pair.vote_ids) == (4, 2, ("v0", "v1", "v2", "v3"))
    assert comparisons[("a1", "a2")].role == Role.EXECUTOR


def test_without_proposers_only_executions_are_credited():
    results = {i: r.model_copy(update={"parent_id": None}) for i, r in RESULTS.items()}
    rankings, comparisons = credited(votes(("a1", "b1")), BradleyTerryConfig(), results)
    assert set(rankings) == {"a1", "b1"}
    assert set(comparisons) == {("a1", "b1")}


def test_no_votes_give_no_records():
    assert credited([], BradleyTerryConfig()) == ({}, {})


def test_executions_that_say_the_same_count_as_often_as_they_came():
    twin = RESULTS["a1"].model_copy(update={"id": "a3"})
    cast, config = votes(("a1", "b1"), ("b1", "a2")), WinRateConfig(kind="win_rate")
    rankings, comparisons = credited(cast, config, RESULTS | {"a3": twin})
    assert rankings["q"].score == pytest.approx((2 * rankings["a1"].score + rankings["a2"].score) / 3)
    won, lost = comparisons[("a1", "b1")].probability, comparisons[("a2", "b1")].probability
    assert comparisons[("p", "q")].probability == pytest.approx(1 - (2 * won + lost) / 3)


def test_a_proposal_pair_has_as_many_orders_as_its_worst_reviewed_executions():
    _, comparisons = credited(votes(("a1", "b1"), ("a2", "b2"))[:3], BradleyTerryConfig())
    assert comparisons[("p", "q")].n_orders == 1
