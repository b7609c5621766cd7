"""The model on examples that are worked by hand, and on votes drawn from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from camelx.config import ReliablePeerRankConfig
from camelx.ranking import rank_votes
from camelx.ranking.reliable.model import Link, Reviewers, believe, pool_opinions
from camelx.ranking.votes import tabulate_votes

from .panels import accuracy, calibration_error, draw_panel, frame

CONFIG = ReliablePeerRankConfig()


def judges(ranked):
    return ranked.judges.set_index("judge")


def reviewer(table, **values):
    given = {"discrimination": 0.5, "omega": 0.1, "sigma": 0.4, "first_bias": 0.2, "self_bias": 0.0} | values
    arrays = {name: np.full(len(table.agents), value) for name, value in given.items()}
    return Reviewers(**arrays, transitivity=0.5, author=np.zeros(len(table.agents) + 1))


def test_one_vote_moves_the_belief_as_worked_by_hand():
    table = tabulate_votes(frame([("g", "cid", "ann0", "bob0", 1)]))
    opinions = pool_opinions(table, table.judge, len(table.agents), CONFIG)
    beliefs = believe(opinions, reviewer(table))
    # The vote says (1 - 0.2) / 0.5 = 1.6, with variance (0.1 + 0.4 / 1) / 0.5^2 = 2 around a prior of 1.
    assert beliefs.difference == pytest.approx([1.6 * 1 / (1 + 2)])
    assert beliefs.variance == pytest.approx([1 * 2 / (1 + 2)])
    assert beliefs.score == pytest.approx([1.6 * 0.25 / 3, -1.6 * 0.25 / 3])  # half of t = 0.5 each
    shared = believe(opinions, reviewer(table), shared=0.5)
    assert shared.difference == pytest.approx([1.6 * 1 / (1 + 2 + 0.5)])


def test_both_orders_cancel_the_position_and_halve_the_flips():
    rows = [("g", "cid", "ann0", "bob0", 1), ("g", "cid", "bob0", "ann0", 0)]
    table = tabulate_votes(frame(rows))
    opinions = pool_opinions(table, table.judge, len(table.agents), CONFIG)
    beliefs = believe(opinions, reviewer(table))
    variance = (0.1 + 0.4 / 2) / 0.5**2
    assert beliefs.difference == pytest.approx([0.5 / 0.5 / (1 + variance)])
    assert beliefs.variance == pytest.approx([variance / (1 + variance)])


def test_the_human_link_gives_the_normal_areas_above_between_and_below_its_thresholds():
    low, tie, high = Link(0.6, 0.2, 2.0).probabilities(np.array([1.0]), np.array([0.8]))[0]
    spread = np.sqrt(1 - 0.36 + 0.36 * 0.8 / 4)
    assert low == pytest.approx(norm.cdf((0.6 * 0.5 - 0.2) / spread))
    assert high == pytest.approx(norm.cdf((-0.6 * 0.5 - 0.2) / spread))
    assert low + tie + high == pytest.approx(1)


def test_a_reviewer_who_flips_gets_less_weight_and_a_lower_reliability():
    votes, _ = draw_panel([1.0, 1.0, 0.15])
    rows = judges(rank_votes(votes, CONFIG))
    assert rows.loc["j2", "weight"] < 0.5 * rows.loc["j0", "weight"]
    assert rows.loc["j2", "reliability"] < rows.loc["j0", "reliability"]
    assert rows.loc["j2", "swap_kappa"] < rows.loc["j0", "swap_kappa"]
    assert rows["weight"].sum() == pytest.approx(1)


def test_learned_weights_beat_equal_ones_where_reviewers_differ():
    votes, truth = draw_panel([1.2, 0.1, 0.1, 0.1, 0.1], n_goals=200)
    plain = votes.groupby(["first_id", "second_id"])["outcome"].sum()
    low = [plain[a, b] - plain[b, a] for a, b in zip(truth["first_id"], truth["second_id"], strict=True)]
    equal = np.where(np.array(low) == 0, 0.5, np.sign(low) == truth["outcome"]).mean()
    assert accuracy(rank_votes(votes, CONFIG), truth) > equal + 0.05


def test_position_bias_is_learned_and_taken_off_a_vote_seen_in_one_order():
    votes, _ = draw_panel([0.8, 0.8, 0.8], first_bias=[0.6, 0.0, -0.6], both_orders=False)
    ranked = rank_votes(votes, CONFIG)
    bias = judges(ranked)["first_bias"]
    assert bias["j0"] > 0.3
    assert abs(bias["j1"]) < 0.08
    assert bias["j2"] < -0.3
    lone = [("g", "j0", "ann0", "bob0", 1), ("h", "j1", "ann0", "bob0", 1)]
    more = frame(lone).assign(first_author=None, second_author=None, vote_id=["w0", "w1"])
    of_biased, of_fair = (
        rank_votes(pd.concat([votes, more[i : i + 1]]), CONFIG).pairs.query("goal_id in ['g', 'h']").iloc[0]
        for i in (0, 1)
    )
    # "First" from one who likes what is first says less.
    assert 0.5 < of_biased["probability"] < of_fair["probability"] - 0.03


def test_self_preference_is_learned_and_taken_off_where_own_votes_count():
    authors = ["j0", "j1", "j2", "j3"]
    votes, _ = draw_panel([0.8] * 4, authors=authors, self_bias=1.0)
    votes = votes[(votes["judge"] == "j0") | (votes["first_author"] != votes["judge"])]
    votes = votes[(votes["judge"] == "j0") | (votes["second_author"] != votes["judge"])]
    known = rank_votes(votes, CONFIG, drop_own=False)
    hidden = rank_votes(votes.assign(first_author=None, second_author=None), CONFIG, drop_own=False)
    rows = judges(known)
    assert rows.loc["j0", "self_bias"] > 0.3
    assert rows["self_bias"].isna().tolist() == [False, True, True, True]

    def mean_score(ranked):
        return ranked.items[ranked.items["item_id"].str.endswith(":0")]["score"].mean()

    assert abs(mean_score(known)) < 0.5 * abs(mean_score(hidden))
    assert judges(rank_votes(votes, CONFIG))["n_own"].tolist() == [len(votes[own_work(votes)]), 0, 0, 0]


def own_work(votes):
    return (votes["first_author"] == votes["judge"]) | (votes["second_author"] == votes["judge"])


def test_probabilities_are_those_of_one_more_reviewer_like_the_others():
    votes, _ = draw_panel([0.9] * 5, n_goals=300)
    judge = votes["judge"] == "j4"
    ranked = rank_votes(votes[~judge], ReliablePeerRankConfig(shared=0))
    one = votes[judge].set_index(["first_id", "second_id"])["outcome"]
    pairs = ranked.pairs
    ids = list(zip(pairs["first_id"], pairs["second_id"], strict=True))
    mean = np.array([(one[a, b] - one[b, a]) / 2 for a, b in ids])
    won = (1 + np.sign(mean)) / 2
    p = pairs["probability"].to_numpy()
    assert calibration_error(np.append(p, 1 - p), np.append(won, 1 - won)) < 0.05
    assert p.std() > 0.2  # and not by saying one half


def test_an_author_s_level_speaks_where_votes_are_few_and_only_if_asked():
    votes, _ = draw_panel([0.8] * 3, authors=["aa", "bb", "cc", "dd"], n_goals=80)
    by_best = votes["first_author"].eq("aa").astype(float) - votes["second_author"].eq("aa")
    votes = votes.assign(outcome=votes["outcome"].where(by_best == 0, by_best))  # aa always wins
    lone = (votes["first_author"] == "aa") & (votes["second_author"] == "bb") & (votes["goal_id"] == "g0000")
    votes = pd.concat([votes[votes["goal_id"] != "g0000"], votes[lone][:1].assign(outcome=0.0)])
    deaf, told = (
        rank_votes(votes, ReliablePeerRankConfig(author_prior=on)).pairs.iloc[0]["probability"]
        for on in (False, True)
    )
    assert deaf == pytest.approx(0.5, abs=0.05)
    assert told > deaf + 0.1


def test_reviewers_learned_from_a_part_of_the_goals_rank_all_of_them():
    votes, truth = draw_panel([1.0, 0.5, 0.2], n_goals=200)
    whole, part = (rank_votes(votes, ReliablePeerRankConfig(fit_votes=n)) for n in (100_000, 2_000))
    assert len(part.pairs) == len(whole.pairs) == len(truth)
    assert judges(part)["n_votes"].tolist() == judges(whole)["n_votes"].tolist()
    np.testing.assert_allclose(judges(part)["weight"], judges(whole)["weight"], atol=0.1)
    assert np.corrcoef(part.pairs["probability"], whole.pairs["probability"])[0, 1] > 0.99
