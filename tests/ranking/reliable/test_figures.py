"""The figures of docs/ranking.md on real votes, exactly where nothing is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from camelx.config import ReliablePeerRankConfig
from camelx.ranking import rank_votes

from .panels import calibration_error, chances, needs_data, read_prd


@pytest.fixture(scope="module")
def prd():
    return read_prd()


def figures(pairs, human):
    """Return the figures of pairs in the order of the human labels."""
    labels = human.set_index(["first_id", "second_id"])
    labels = labels.loc[list(zip(pairs["first_id"], pairs["second_id"], strict=True))]
    y, p = labels["outcome"].to_numpy(), chances(pairs)
    verdict, lean = 1 - p.argmax(axis=1), p[:, 0] - p[:, 2]
    right = np.where(np.abs(lean) < 1e-12, 0.5, np.sign(lean) == y)
    surest = np.argsort(-np.abs(lean), kind="stable")[: len(y) // 2]
    is_near = (labels["length_ratio"] < 0.1).to_numpy() & (y != 0)
    is_hard = labels["models"].map(lambda m: m == {"gpt-3.5", "vicuna"}).to_numpy()
    won, half = (1 + y) / 2, (1 + lean) / 2
    return {
        "accuracy": (verdict == y).mean(),
        "gpt-3.5 against vicuna": (verdict == y)[is_hard].mean(),
        "near equal length": right[is_near].mean(),
        "precision at half": right[surest[y[surest] != 0]].mean(),
        "ece": calibration_error(p.max(axis=1), verdict == y),
        "ece of a win": calibration_error(np.append(half, 1 - half), np.append(won, 1 - won)),
    }


@needs_data
def test_figures_with_unknown_authors(prd):
    votes, human = prd
    votes = votes.assign(first_author=None, second_author=None)
    found = figures(rank_votes(votes, ReliablePeerRankConfig(), drop_own=False).pairs, human)
    assert found["accuracy"] == 0.6975
    assert found["gpt-3.5 against vicuna"] == 0.525
    assert found["near equal length"] == pytest.approx(59 / 87)
    assert round(found["precision at half"], 4) == 0.8963
    assert round(found["ece"], 3) == 0.014
    assert round(found["ece of a win"], 3) == 0.022


@needs_data
def test_figures_where_authors_may_speak(prd):
    votes, human = prd
    ranked = rank_votes(votes, ReliablePeerRankConfig(author_prior=True), drop_own=False)
    found = figures(ranked.pairs, human)
    assert found["accuracy"] == 0.71375
    assert found["gpt-3.5 against vicuna"] == 0.575
    assert found["near equal length"] == pytest.approx(61 / 87)
    assert round(found["precision at half"], 4) == 0.9008
    assert round(found["ece"], 3) == 0.026
    assert not ranked.panel.is_verified
    assert ranked.panel.conflicts == ()


@needs_data
def test_labels_of_other_goals_keep_the_probabilities_calibrated(prd):
    votes, human = prd
    votes = votes.drop(columns="category")
    labels = human[["goal_id", "first_id", "second_id", "outcome"]]
    panel = rank_votes(votes, ReliablePeerRankConfig(), drop_own=False, anchors=labels).panel
    found = figures(panel.held_out, human)
    assert found["accuracy"] > 0.68
    assert found["ece"] < 0.05
    assert found["ece of a win"] < 0.03
    assert panel.agreement["n"].tolist() == [800, 800]


@needs_data
def test_a_handful_of_labels_leaves_a_good_panel_calibrated(prd):
    votes, human = prd
    votes = votes.assign(first_author=None, second_author=None)
    labels = human[["goal_id", "first_id", "second_id", "outcome"]]

    def with_labels(asked):
        return figures(
            rank_votes(votes, ReliablePeerRankConfig(), drop_own=False, anchors=asked).pairs, human
        )

    pairs = rank_votes(votes, ReliablePeerRankConfig(), drop_own=False).pairs
    seen = labels.merge(pairs[["first_id", "second_id", "probability"]], on=["first_id", "second_id"])
    against = seen.assign(met=seen["outcome"] * (seen["probability"] - 0.5)).sort_values("met")
    assert with_labels(against[labels.columns][:1]) == figures(pairs, human)
    found = []
    for draw in range(4):
        picked = np.random.default_rng(draw).permutation(len(labels))[:7]
        found.append(with_labels(labels.iloc[picked]))
    assert np.mean([one["ece"] for one in found]) < 0.05
    assert np.mean([one["accuracy"] for one in found]) > 0.685


@needs_data
def test_no_answer_is_read_only_who_wrote_it(prd):
    votes, _ = prd
    names = {name: f"model {i}" for i, name in enumerate(sorted(set(votes["judge"]), reverse=True))}
    renamed = votes.assign(**{c: votes[c].map(names) for c in ("judge", "first_author", "second_author")})
    config = ReliablePeerRankConfig(author_prior=True)
    one, other = (rank_votes(v, config, drop_own=False).pairs for v in (votes, renamed))
    np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-9)
