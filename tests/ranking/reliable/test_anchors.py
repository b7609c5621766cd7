"""What human labels do to a panel: signed weights, calibration, categories, and what is said of it all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camelx.config import BradleyTerryConfig, ReliablePeerRankConfig
from camelx.errors import DataValidationError
from camelx.ranking import rank_votes

from .panels import (
    accuracy,
    calibration_error,
    chances,
    draw_panel,
    frame,
    labels_on,
    needs_data,
    read_llmbar,
)

CONFIG = ReliablePeerRankConfig()
LABEL_COLUMNS = ("goal_id", "first_id", "second_id", "outcome")
WRONG_MAJORITY = [-0.8, -0.7, -0.6, 0.9, 0.6]


@pytest.fixture(scope="module")
def misled():
    return draw_panel(WRONG_MAJORITY, n_goals=150)


def goals(n):
    return [f"g{g:04d}" for g in range(n)]


def test_without_labels_a_panel_is_unverified_and_those_who_disagree_are_named(misled):
    votes, truth = misled
    panel = rank_votes(votes, CONFIG).panel
    assert not panel.is_verified
    assert {sentence.split()[0] for sentence in panel.conflicts} >= {"j3", "j4"}
    assert "either it or the rest of the panel is wrong" in panel.conflicts[0]
    assert panel.agreement.empty
    assert panel.held_out.empty
    assert rank_votes(votes, BradleyTerryConfig(), anchors=labels_on(truth, goals(20))).panel.conflicts


def test_a_panel_of_one_opinion_has_no_conflict():
    votes, _ = draw_panel([0.9, 0.8, 0.6, 0.2])
    assert rank_votes(votes, CONFIG).panel.conflicts == ()


def test_twenty_labels_repair_a_majority_that_is_wrong_together(misled):
    votes, truth = misled
    assert accuracy(rank_votes(votes, CONFIG), truth) < 0.5
    ranked = rank_votes(votes, CONFIG, anchors=labels_on(truth, goals(20)))
    assert accuracy(ranked, truth[~truth["goal_id"].isin(goals(20))]) > 0.8
    rows = ranked.judges.set_index("judge")
    assert (rows.loc[["j0", "j1", "j2"], "weight"] < 0).all()
    assert (rows.loc[["j3", "j4"], "weight"] > 0).all()
    assert (np.sign(rows["reliability"]) == np.sign(rows["weight"])).all()
    assert rows["weight"].abs().sum() == pytest.approx(1)


def test_agreement_with_the_labels_is_reported_before_and_after_with_intervals(misled):
    votes, truth = misled
    panel = rank_votes(votes, CONFIG, anchors=labels_on(truth, goals(40))).panel
    assert panel.is_verified
    before, after = panel.agreement.loc["before"], panel.agreement.loc["after"]
    assert before["agreement"] < 0.5 < after["low"]
    assert before["n"] == 40
    rows = rank_votes(votes, CONFIG, anchors=labels_on(truth, goals(40))).judges.set_index("judge")
    assert rows["n_labels"].tolist() == [40] * 5
    assert (rows["human_before_low"] <= rows["human_before"]).all()
    assert (rows["human_before"] <= rows["human_before_high"]).all()
    assert rows.loc["j0", "human_before"] < 0.5 < rows.loc["j0", "human_after"]
    assert rows.loc["j3", "human_after"] == rows.loc["j3", "human_before"] > 0.5


def test_labels_that_confirm_the_panel_leave_its_order():
    votes, truth = draw_panel([0.9, 0.6, 0.3], seed=4)
    free = rank_votes(votes, CONFIG)
    anchored = rank_votes(votes, CONFIG, anchors=labels_on(truth, goals(20)))
    assert np.corrcoef(free.pairs["probability"], anchored.pairs["probability"])[0, 1] > 0.9
    assert accuracy(anchored, truth) > accuracy(free, truth) - 0.02


def test_labels_on_goals_of_the_past_calibrate_the_goals_of_now(misled):
    votes, truth = misled
    now = votes[~votes["goal_id"].isin(goals(20))]
    past = votes[votes["goal_id"].isin(goals(20))]
    asked = labels_on(truth, goals(20))
    past = past.merge(asked[["first_id", "second_id"]].stack().rename("first_id"), on="first_id")
    ids = set(asked["first_id"]) | set(asked["second_id"])
    past = past[past["second_id"].isin(ids)]  # of the past only the labelled pairs are there
    ranked = rank_votes(pd.concat([now, past]), CONFIG, anchors=asked)
    of_now = truth[~truth["goal_id"].isin(goals(20))]
    assert accuracy(ranked, of_now) > 0.8
    assert set(ranked.panel.held_out["goal_id"]) == set(goals(20))
    blind = rank_votes(now, CONFIG, anchors=asked)
    assert not blind.panel.is_verified  # without the votes on them labels say nothing about the reviewers


def test_what_labels_taught_is_calibrated_on_goals_they_are_not_on():
    votes, truth = draw_panel([1.0, 0.6, -0.5, 0.2], n_goals=400, seed=2)
    rng = np.random.default_rng(0)
    noisy = np.sign(0.8 * truth["difference"] + 0.6 * rng.normal(size=len(truth)))
    truth = truth.assign(outcome=noisy)
    labelled = truth[truth["goal_id"].isin(goals(150))][["goal_id", "first_id", "second_id", "outcome"]]
    ranked = rank_votes(votes, CONFIG, anchors=labelled)
    for pairs in (ranked.panel.held_out, ranked.pairs[~ranked.pairs["goal_id"].isin(goals(150))]):
        merged = pairs.merge(truth[["first_id", "second_id", "outcome"]], on=["first_id", "second_id"])
        y = merged["outcome_y" if "outcome_y" in merged else "outcome"].to_numpy()
        p = chances(pairs)
        confidence = p[:, 0] + p[:, 1] / 2
        won = (1 + y) / 2
        error = calibration_error(np.append(confidence, 1 - confidence), np.append(won, 1 - won))
        assert error < 0.05
        assert confidence.std() > 0.15


def test_a_category_with_labels_enough_gets_weights_of_its_own():
    good, truth = draw_panel([0.4, 1.0, 0.1], n_goals=80, seed=1)
    bad, turned = draw_panel([0.4, -1.0, 0.1], n_goals=80, seed=2)
    columns = ["goal_id", "first_id", "second_id"]
    bad = bad.assign(**{c: "m" + bad[c] for c in columns}, vote_id="m" + bad["vote_id"])
    turned = turned.assign(**{c: "m" + turned[c] for c in columns})
    votes = pd.concat([good.assign(category="text"), bad.assign(category="math")], ignore_index=True)
    truth = pd.concat([truth, turned], ignore_index=True)
    asked = labels_on(truth, [*goals(30), *(f"m{g}" for g in goals(30))])
    apart = rank_votes(votes, CONFIG, anchors=asked)
    together = rank_votes(votes.drop(columns="category"), CONFIG, anchors=asked)
    weights = apart.panel.weights.set_index(["category", "judge"])["weight"]
    assert weights["text", "j1"] > 0.3
    assert weights["math", "j1"] < -0.3
    assert ("", "j1") in weights.index
    assert accuracy(apart, truth) > accuracy(together, truth) + 0.05
    few = rank_votes(votes, ReliablePeerRankConfig(category_labels=31), anchors=asked)
    assert set(few.panel.weights["category"]) == {""}


def test_several_labels_on_a_pair_are_summed_whichever_way_round_they_are(misled):
    votes, truth = misled
    asked = labels_on(truth, goals(20))
    turned = asked.rename(columns={"first_id": "second_id", "second_id": "first_id"})
    turned = turned.assign(outcome=-asked["outcome"])
    thrice = pd.concat([asked, turned, asked.assign(outcome=-asked["outcome"])])
    once = rank_votes(votes, CONFIG, anchors=asked)
    again = rank_votes(votes, CONFIG, anchors=thrice.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(once.pairs, again.pairs, check_exact=True)
    split = rank_votes(votes, CONFIG, anchors=pd.concat([asked, asked.assign(outcome=-asked["outcome"])]))
    assert (split.panel.held_out["outcome"] == 0).all()


def test_labels_on_pairs_nobody_reviewed_are_left_out(misled):
    votes, truth = misled
    elsewhere = labels_on(truth, goals(3)).assign(goal_id="nowhere")
    stranger = labels_on(truth, goals(3)).assign(first_id="g0000:9")
    ranked = rank_votes(votes, CONFIG, anchors=pd.concat([elsewhere, stranger]))
    assert not ranked.panel.is_verified
    pd.testing.assert_frame_equal(ranked.pairs, rank_votes(votes, CONFIG).pairs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="outcome"), "lack the columns outcome"),
        (lambda f: f.assign(outcome=0.5), "outcome other than 1, 0 or -1"),
        (lambda f: f.assign(outcome=np.nan), "outcome other than 1, 0 or -1"),
    ],
)
def test_a_broken_frame_of_labels_is_refused(misled, change, message):
    votes, truth = misled
    with pytest.raises(DataValidationError, match=message):
        rank_votes(votes, CONFIG, anchors=change(labels_on(truth, goals(3))))


def test_one_label_against_a_panel_does_not_turn_it_round():
    votes, truth = draw_panel([0.9, 0.8, 0.7, 0.6], seed=6)
    clear = truth[truth["difference"].abs() > 1.5][:1]
    wrong = clear.assign(outcome=-clear["outcome"])[list(LABEL_COLUMNS)]
    free, anchored = rank_votes(votes, CONFIG), rank_votes(votes, CONFIG, anchors=wrong)
    assert accuracy(anchored, truth) > accuracy(free, truth) - 0.03
    assert anchored.panel.agreement.loc["before", "agreement"] == 0


@pytest.mark.parametrize("outcome", [1.0, 0.0])
def test_one_label_is_counted_and_makes_nothing_sure(outcome):
    votes = frame([("g", "cid", "ann0", "bob0", 1), ("g", "dan", "bob0", "ann0", -1)])
    label = pd.DataFrame([("g", "g:ann0", "g:bob0", outcome)], columns=list(LABEL_COLUMNS))
    ranked = rank_votes(votes, CONFIG, anchors=label)
    assert not ranked.panel.is_verified
    assert ranked.panel.agreement["n"].tolist() == [1, 1]
    assert ranked.judges["n_labels"].tolist() == [1, 1]
    pd.testing.assert_frame_equal(ranked.pairs, rank_votes(votes, CONFIG).pairs)


def test_a_panel_is_verified_from_five_decided_labels_on(misled):
    votes, truth = misled
    unaided = rank_votes(votes, CONFIG)
    four, five = (labels_on(truth, goals(n)) for n in (4, 5))
    ties = labels_on(truth, goals(50)[10:]).assign(outcome=0.0)
    for asked, n in ((four, 4), (pd.concat([four, ties]), 44)):
        ranked = rank_votes(votes, ReliablePeerRankConfig(category_labels=1), anchors=asked)
        assert not ranked.panel.is_verified
        assert ranked.panel.agreement["n"].tolist() == [n, n]
        assert len(ranked.panel.held_out) == n
        assert ranked.panel.weights.empty
        pd.testing.assert_frame_equal(ranked.pairs, unaided.pairs)
        assert ranked.judges["human_after"].tolist() == ranked.judges["human_before"].tolist()
    assert rank_votes(votes, CONFIG, anchors=five).panel.is_verified


@needs_data
@pytest.mark.parametrize(
    ("strategy", "best_judge", "named"),
    [("Vanilla", 0.787, {"ChatGPT", "GPT-4", "LLaMA2"}), ("Vanilla_NoRules", 0.642, {"ChatGPT", "GPT-4"})],
)
def test_twenty_labels_repair_real_judges_that_are_fooled_together(strategy, best_judge, named):
    votes, human = read_llmbar(strategy)
    panel = rank_votes(votes, CONFIG).panel
    assert not panel.is_verified
    assert {sentence.split()[0] for sentence in panel.conflicts} == named
    found = []
    for draw in range(8):
        picked = np.random.default_rng(draw).permutation(human["goal_id"].to_numpy())[:20]
        ranked = rank_votes(votes, CONFIG, anchors=human[human["goal_id"].isin(picked)])
        found.append(accuracy(ranked, human[~human["goal_id"].isin(picked)]))
    assert np.mean(found) > best_judge + 0.05
    assert min(found) > best_judge - 0.05


@needs_data
def test_real_judges_who_are_mostly_right_have_no_conflict():
    for strategy in ("Vanilla", "Vanilla_NoRules"):
        assert rank_votes(read_llmbar(strategy, "natural")[0], CONFIG).panel.conflicts == ()
