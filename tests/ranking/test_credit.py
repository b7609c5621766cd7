"""Records from ranked results: executions directly, proposals through them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camelx.config import BradleyTerryConfig, WinRateConfig
from camelx.ranking import VOTE_COLUMNS, credit_roles, rank_votes
from camelx.schemas import Interaction, Role, Stage

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
    shown = [row for a, b in pairs for row in ((a, b, 1.0), (b, a, -1.0))]
    rows = [("g", "rex", a, b, None, None, outcome, f"v{i}") for i, (a, b, outcome) in enumerate(shown)]
    return pd.DataFrame(rows, columns=list(VOTE_COLUMNS)).astype({"outcome": float})


def credited(cast, config, results=RESULTS):
    ranked = rank_votes(cast, config)
    rankings, comparisons = credit_roles(ranked, results, "c", config.kind)
    return {r.interaction_id: r for r in rankings}, {(c.first_id, c.second_id): c for c in comparisons}


def test_a_proposal_gets_the_mean_of_its_executions():
    rankings, _ = credited(votes(("a1", "b1"), ("a2", "b2"), ("a1", "a2")), WinRateConfig(kind="win_rate"))
    assert rankings["q"].score == pytest.approx((rankings["a1"].score + rankings["a2"].score) / 2)
    assert rankings["q"].stderr == pytest.approx(np.hypot(rankings["a1"].stderr, rankings["a2"].stderr) / 2)
    assert (rankings["q"].rank, rankings["p"].rank) == (1, 2)
    assert (rankings["q"].n_votes, rankings["p"].n_votes) == (8, 4)


def test_proposals_are_compared_over_the_pairs_across_them_only():
    _, comparisons = credited(votes(("a1", "b1"), ("a2", "b2"), ("a1", "a2")), BradleyTerryConfig())
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
    assert credited(votes(), BradleyTerryConfig()) == ({}, {})
