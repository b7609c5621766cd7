"""Every ranker on worked examples, on hard shapes, and against other implementations."""

from __future__ import annotations

import choix
import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelx.config import BradleyTerryConfig, PeerRankConfig, ReliablePeerRankConfig, WinRateConfig
from camelx.errors import ConfigError, DataValidationError
from camelx.ranking import VOTE_COLUMNS, rank_votes

AGENTS = ["ann", "bob", "cid"]
WIN_RATE, BRADLEY_TERRY = WinRateConfig(kind="win_rate"), BradleyTerryConfig()
PEER_RANK = PeerRankConfig(kind="peer_rank")
RELIABLE = ReliablePeerRankConfig()
ALL = [WIN_RATE, BRADLEY_TERRY, PEER_RANK, RELIABLE, ReliablePeerRankConfig(author_prior=True)]
NAMES = ["win_rate", "bradley_terry", "peer_rank", "reliable_peer_rank", "reliable_peer_rank:authors"]


def frame(rows):
    """Rows of (goal, judge, first, second, outcome); an item "ann2" was written by ann."""
    full = [
        (g, j, f"{g}:{a}", f"{g}:{b}", a[:3], b[:3], o, f"v{i}") for i, (g, j, a, b, o) in enumerate(rows)
    ]
    return pd.DataFrame(full, columns=list(VOTE_COLUMNS)).astype({"outcome": float})


def both_orders(judge, a, b, outcome, goal="g"):
    return [(goal, judge, a, b, outcome), (goal, judge, b, a, -outcome)]


def scores(ranked):
    return ranked.items.set_index("item_id")["score"]


def probabilities(ranked):
    return ranked.pairs.set_index(["first_id", "second_id"])["probability"]


@st.composite
def vote_rows(draw):
    items = [f"{agent}{n}" for agent in AGENTS for n in range(2)]
    pairs = st.permutations(items).map(lambda p: p[:2])
    row = st.tuples(
        st.sampled_from(["g", "h"]), st.sampled_from(AGENTS), pairs, st.sampled_from([1, 0, -1, np.nan])
    )
    rows = [(g, j, a, b, o) for g, j, (a, b), o in draw(st.lists(row, min_size=1, max_size=30))]
    everyone = [
        both_orders(j, f"{a}0", f"{b}0", o)
        for j, a, b, o in (("ann", "bob", "cid", 1), ("bob", "cid", "ann", 0), ("cid", "ann", "bob", 1))
    ]
    return rows + [row for pair in everyone for row in pair]


@pytest.mark.parametrize("config", ALL, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(rows=vote_rows(), data=st.data())
def test_the_order_of_the_rows_does_not_matter(config, rows, data):
    votes = frame(rows)
    shuffled = votes.iloc[data.draw(st.permutations(range(len(votes))))]
    one, other = rank_votes(votes, config), rank_votes(shuffled, config)
    for name in ("items", "pairs", "judges"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


@pytest.mark.parametrize("config", ALL, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(rows=vote_rows())
def test_showing_a_pair_the_other_way_round_with_the_other_outcome_changes_nothing(config, rows):
    swapped = [(g, j, b, a, -o) for g, j, a, b, o in rows]
    one, other = rank_votes(frame(rows), config), rank_votes(frame(swapped), config)
    pd.testing.assert_frame_equal(one.items, other.items)
    pd.testing.assert_series_equal(one.pairs["probability"], other.pairs["probability"])


@pytest.mark.parametrize("config", ALL, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(rows=vote_rows())
def test_new_names_change_names_only(config, rows):
    votes = frame(rows)
    names = {
        item: f"{'zyxwvu'[i % 6]}{i}"
        for i, item in enumerate(sorted({*votes["first_id"], *votes["second_id"]}))
    }
    renamed = votes.assign(first_id=votes["first_id"].map(names), second_id=votes["second_id"].map(names))
    before, after = scores(rank_votes(votes, config)), scores(rank_votes(renamed, config))
    np.testing.assert_allclose(after[[names[item] for item in before.index]], before, atol=1e-8)


@pytest.mark.parametrize("config", ALL, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(rows=vote_rows())
def test_scores_and_errors_are_finite_and_probabilities_are_probabilities(config, rows):
    ranked = rank_votes(frame(rows), config)
    assert np.isfinite(ranked.items[["score", "stderr"]]).all(axis=None)
    assert (ranked.items["stderr"] > 0).all()
    assert ranked.pairs["probability"].between(0, 1).all()


@pytest.mark.parametrize(
    "config",
    [
        BRADLEY_TERRY,
        WIN_RATE,
        WinRateConfig(kind="win_rate", prior_votes=0),
        BradleyTerryConfig(prior_scale=1e4),
    ],
)
def test_undefeated_and_unconnected_items_have_finite_scores(config):
    rows = (
        both_orders("cid", "ann0", "bob0", 1) * 3
        + both_orders("ann", "bob1", "cid1", 1)
        + both_orders("bob", "ann2", "cid2", 1)
    )
    ranked = rank_votes(frame(rows), config)
    s = scores(ranked)
    assert np.isfinite(ranked.items[["score", "stderr"]]).all(axis=None)
    assert s["g:ann0"] > s["g:bob0"]
    assert s["g:bob1"] > s["g:cid1"]


@pytest.mark.parametrize("config", ALL, ids=NAMES)
def test_no_votes_give_empty_frames_with_all_columns(config):
    ranked = rank_votes(frame([]), config)
    assert (len(ranked.items), len(ranked.pairs), len(ranked.judges)) == (0, 0, 0)
    assert {"probability", "p_tie", "n_orders", "vote_ids"} <= set(ranked.pairs)
    assert not ranked.panel.is_verified
    assert (ranked.panel.conflicts, len(ranked.panel.held_out)) == ((), 0)


SHAPES = {
    "one vote": [("g", "cid", "ann0", "bob0", 1)],
    "one reviewer": both_orders("cid", "ann0", "bob0", 1) + both_orders("cid", "ann1", "bob0", -1),
    "all ties": [row for j in ("cid", "dan") for row in both_orders(j, "ann0", "bob0", 0)],
    "always first": [
        ("g", j, a, b, 1) for j in ("cid", "dan") for a, b in (("ann0", "bob0"), ("bob0", "ann0"))
    ],
    "only own work": both_orders("ann", "ann0", "bob0", 1),
    "one readable of many": [("g", "cid", "ann0", "bob0", np.nan)] * 5 + [("g", "dan", "ann0", "bob0", 1)],
    "two islands": both_orders("cid", "ann0", "bob0", 1) + both_orders("cid", "ann1", "bob1", 1),
}


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("rows", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("author_prior", [False, True])
def test_the_reliable_ranker_takes_panels_of_every_shape(rows, author_prior):
    ranked = rank_votes(frame(rows), ReliablePeerRankConfig(author_prior=author_prior))
    assert np.isfinite(ranked.items[["score", "stderr"]]).all(axis=None)
    assert ranked.pairs["probability"].between(0.02, 0.98).all()
    assert ranked.pairs["p_tie"].between(0, 1).all()


@pytest.mark.parametrize("shape", ["all ties", "always first"])
def test_votes_that_say_nothing_leave_a_pair_at_one_half(shape):
    assert rank_votes(frame(SHAPES[shape]), RELIABLE).pairs["probability"].tolist() == pytest.approx([0.5])


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("config", ALL, ids=NAMES)
def test_only_unreadable_votes_give_no_pairs(config):
    rows = [("g", j, a, b, np.nan) for j in AGENTS for a, b in (("ann0", "bob0"), ("bob1", "cid1"))]
    ranked = rank_votes(frame(rows), config)
    assert len(ranked.pairs) == 0
    assert ranked.judges["n_unreadable"].tolist() == [2, 2, 2]


def test_of_two_rounds_the_last_readable_vote_of_each_order_counts():
    rows = [
        ("g", "cid", "ann0", "bob0", 1),
        ("g", "cid", "ann0", "bob0", -1),  # after a discussion: another view
        ("g", "dan", "ann0", "bob0", 1),
        ("g", "dan", "ann0", "bob0", np.nan),  # can't be read: the first one stands
        ("g", "dan", "bob0", "ann0", -1),  # not discussed
    ]
    votes = frame(rows).assign(round=[0, 1, 0, 1, 0])
    ranked = rank_votes(votes, WIN_RATE)
    assert ranked.pairs["vote_ids"].tolist() == [("v1", "v2", "v4")]
    judges = ranked.judges.set_index("judge")
    assert judges[["n_votes", "n_unreadable"]].to_numpy().tolist() == [[1, 0], [2, 1]]
    assert len(rank_votes(votes.assign(round=0), WIN_RATE).pairs["vote_ids"][0]) == 4


def test_agreement_beyond_chance_is_cohen_s_kappa_with_the_majority_of_the_others():
    verdicts = {"cid": [1, 1, 1, -1], "dan": [1, 1, -1, -1]}
    rows = [
        row
        for judge, outcomes in verdicts.items()
        for n, o in enumerate(outcomes)
        for row in both_orders(judge, "ann0", "bob0", o, goal=f"g{n}")
    ]
    judges = rank_votes(frame(rows), WIN_RATE).judges
    # 3 of 4 agree; by chance 3/4 x 1/2 + 1/4 x 1/2 = 1/2.
    assert judges["agreement"].tolist() == pytest.approx([0.5, 0.5])
    assert judges["swap_kappa"].tolist() == pytest.approx([1, 1])


def test_unreadable_votes_and_votes_on_own_work_never_count_and_are_counted():
    rows = [
        *both_orders("cid", "ann0", "bob0", 1),
        ("g", "cid", "ann0", "bob0", np.nan),
        *both_orders("bob", "bob0", "ann0", 1),
    ]
    ranked = rank_votes(frame(rows), BRADLEY_TERRY)
    pair = ranked.pairs.iloc[0]
    assert (pair["n_votes"], pair["n_orders"], pair["vote_ids"]) == (2, 2, ("v0", "v1"))
    assert pair["probability"] > 0.5
    judges = ranked.judges.set_index("judge")
    assert judges.loc["cid", ["n_votes", "n_unreadable", "n_own"]].tolist() == [2, 1, 0]
    assert judges.loc["bob", ["n_votes", "n_unreadable", "n_own"]].tolist() == [0, 0, 2]
    assert judges.loc["cid", "consistency"] == 1.0
    kept = rank_votes(frame(rows), BRADLEY_TERRY, drop_own=False).pairs.iloc[0]
    assert (kept["n_votes"], kept["probability"]) == (4, 0.5)


def test_a_judge_that_always_prefers_what_is_shown_first_is_inconsistent():
    rows = [("g", "cid", "ann0", "bob0", 1), ("g", "cid", "bob0", "ann0", 1)]
    judge = rank_votes(frame(rows), WIN_RATE).judges.iloc[0]
    assert (judge["consistency"], judge["first_share"], judge["tie_share"]) == (0.0, 1.0, 0.0)


def test_a_pair_seen_in_one_order_only_says_so():
    assert rank_votes(frame([("g", "cid", "ann0", "bob0", 1)]), WIN_RATE).pairs["n_orders"].tolist() == [1]


def test_win_rate_is_the_log_odds_of_the_shrunk_share():
    rows = [*both_orders("cid", "ann0", "bob0", 1), ("g", "cid", "ann0", "bob0", 0)]
    s = scores(rank_votes(frame(rows), WIN_RATE))  # (2 wins + half a tie + 1) of 3 + 2
    assert s["g:ann0"] == pytest.approx(np.log(0.7 / 0.3))
    assert s["g:bob0"] == pytest.approx(-np.log(0.7 / 0.3))


def test_equal_scores_share_the_best_rank():
    rows = [
        *both_orders("cid", "ann0", "bob0", 0),
        *both_orders("ann", "bob0", "cid0", 1),
        *both_orders("bob", "ann0", "cid0", 1),
    ]
    ranked = rank_votes(frame(rows), BRADLEY_TERRY).items.set_index("item_id")["rank"]
    assert ranked.to_dict() == {"g:ann0": 1, "g:bob0": 1, "g:cid0": 3}


@pytest.fixture
def tournament():
    """A connected tournament of six items without ties, as (winner, loser) numbers."""
    rng = np.random.default_rng(3)
    strength = np.linspace(1, -1, 6)
    pairs = [rng.permutation(6)[:2] for _ in range(150)]
    return [
        (a, b) if rng.random() < 1 / (1 + np.exp(strength[b] - strength[a])) else (b, a) for a, b in pairs
    ]


def test_bradley_terry_equals_choix_with_the_same_prior(tournament):
    votes = frame([("g", "cid", f"x{a}", f"x{b}", 1) for a, b in tournament])
    ours = rank_votes(votes, BradleyTerryConfig(prior_scale=0.7)).items
    # choix penalises alpha * sum of squares, a normal prior half of that over the variance.
    theirs = choix.opt_pairwise(6, tournament, alpha=0.5 / 0.7**2, tol=1e-12)
    np.testing.assert_allclose(ours["score"], theirs, atol=1e-5)


def test_bradley_terry_without_a_prior_equals_evalica_ties_included(tournament):
    ties = [(i, (i + 1) % 6) for i in range(6)]
    rows = [("g", "cid", f"x{a}", f"x{b}", o) for pairs, o in ((tournament, 1), (ties, 0)) for a, b in pairs]
    ours = scores(rank_votes(frame(rows), BradleyTerryConfig(prior_scale=1e3)))
    winners = [evalica.Winner.X] * len(tournament) + [evalica.Winner.Draw] * len(ties)
    theirs = evalica.bradley_terry(
        [r[2] for r in rows], [r[3] for r in rows], winners, tolerance=1e-10, limit=10_000
    )
    expected = np.log(theirs.scores).rename(lambda name: f"g:{name}")[ours.index]
    np.testing.assert_allclose(ours - ours.mean(), expected - expected.mean(), atol=1e-4)


def test_the_standard_error_of_a_single_pair_is_that_of_the_inverse_hessian():
    rows = both_orders("cid", "ann0", "bob0", 1) + both_orders("cid", "bob0", "ann0", 1)
    ranked = rank_votes(frame(rows), BradleyTerryConfig(prior_scale=2.0)).items
    assert scores(rank_votes(frame(rows), BRADLEY_TERRY)).tolist() == pytest.approx([0, 0])
    hessian = np.array([[1.25, -1.0], [-1.0, 1.25]])  # 4 votes x 1/4, and 1/2^2 of the prior
    np.testing.assert_allclose(ranked["stderr"], np.sqrt(np.diag(np.linalg.inv(hessian))))


def test_goals_of_different_sizes_do_not_influence_each_other():
    small = both_orders("cid", "ann0", "bob0", 1, goal="a")
    large = [
        row
        for i in range(9)
        for row in both_orders("cid", f"ann{i}", f"bob{i + 1}", 1 if i % 3 else 0, goal="b")
    ]
    together = scores(rank_votes(frame(small + large), BRADLEY_TERRY))
    apart = pd.concat([scores(rank_votes(frame(rows), BRADLEY_TERRY)) for rows in (small, large)])
    pd.testing.assert_series_equal(together, apart)


def test_peer_rank_names_judges_that_wrote_nothing():
    with pytest.raises(ConfigError, match="cid wrote none"):
        rank_votes(frame(both_orders("cid", "ann0", "bob0", 1)), PEER_RANK)


def test_peer_rank_gives_the_worst_author_no_weight():
    rows = (
        both_orders("cid", "ann0", "bob0", 1)
        + both_orders("bob", "ann0", "cid0", 1)
        + both_orders("ann", "bob0", "cid0", 1)
    )
    ranked = rank_votes(frame(rows), PEER_RANK)
    weights = ranked.judges.set_index("judge")["weight"]
    assert weights.to_dict() == {"ann": 0.5, "bob": 0.5, "cid": 0.0}
    assert probabilities(ranked)[("g:ann0", "g:bob0")] == 0.5  # only the judge without weight saw it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="judge"), "lack the columns judge"),
        (lambda f: f.assign(outcome=2.0), "outcome other than"),
        (lambda f: f.assign(second_id=f["first_id"]), "with itself"),
        (lambda f: f.assign(goal_id=None), "have no goal_id"),
    ],
)
def test_a_broken_frame_is_refused_with_what_is_wrong(change, message):
    with pytest.raises(DataValidationError, match=message):
        rank_votes(change(frame(both_orders("cid", "ann0", "bob0", 1))), WIN_RATE)
