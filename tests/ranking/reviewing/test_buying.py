"""Buying from a record: the order, and what it is worth on real votes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camelx.config import BudgetConfig, PriceConfig, ReliablePeerRankConfig
from camelx.ranking import Ledger, rank_votes
from camelx.ranking.reviewing.buying import buying_curve, buying_order
from camelx.ranking.reviewing.spending import Cost, Purse
from camelx.ranking.votes import VOTE_COLUMNS
from camelx.schemas import Interaction, Message, Role, Stage

REAL = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[4] / "shared/data")) / "prd_vicuna80"


def recorded(n_goals=12, n_items=4, n_judges=3, seed=0):
    """Return all votes of judges of different skill on results of random quality, and the qualities."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=(n_goals, n_items))
    rows = []
    for g in range(n_goals):
        for i in range(n_items):
            for k in range(n_items):
                for j in range(n_judges):
                    if i != k:
                        z = quality[g, i] - quality[g, k] + 0.2 + rng.normal() * (0.3 + j)
                        said = float(np.sign(z)) if abs(z) > 0.2 else 0.0
                        rows.append((f"g{g}", f"j{j}", f"x{i}", f"x{k}", None, None, said, f"v{len(rows)}"))
    return pd.DataFrame(rows, columns=list(VOTE_COLUMNS)), quality


def test_every_vote_is_bought_once():
    votes, _ = recorded()
    votes = pd.concat([votes, votes[:7]])
    order = buying_order(votes)
    assert sorted(order) == list(range(len(votes)))


def test_the_seed_fixes_the_order():
    votes, _ = recorded(5)
    assert (buying_order(votes, seed=1) == buying_order(votes, seed=1)).all()
    assert (buying_order(votes, seed=1) != buying_order(votes, seed=2)).any()


def test_unreadable_and_missing_votes_are_no_obstacle():
    votes, _ = recorded(4)
    votes.loc[::3, "outcome"] = np.nan
    votes = votes[votes.index % 7 != 0]
    assert sorted(buying_order(votes)) == list(range(len(votes)))


def test_the_judge_who_knows_is_bought_before_the_one_of_chance():
    votes, _ = recorded(40)
    early = votes.iloc[buying_order(votes)[: len(votes) // 3]]["judge"].value_counts()
    assert early["j0"] > 1.5 * early["j2"]


def test_bought_votes_tell_more_than_votes_in_random_order():
    votes, quality = recorded(40, seed=1)

    def right(bought):
        items = rank_votes(bought, ReliablePeerRankConfig(), drop_own=False).items.copy()
        at = (items["goal_id"].str[1:].astype(int), items["item_id"].str[1:].astype(int))
        items["quality"] = quality[at]
        tau = items.groupby("goal_id")[["score", "quality"]].corr("kendall")["score"]
        return float(tau.xs("quality", level=1).sum() / 40)

    curve = buying_curve(votes, right, shares=(0.2, 1.0), seeds=range(3))
    assert list(curve["n_votes"]) == [round(0.2 * len(votes)), len(votes)]
    assert curve["bought"][0] > curve["random"][0] + 0.03
    assert curve["bought"][1] == pytest.approx(curve["random"][1])


@pytest.mark.skipif(not REAL.exists(), reason="real data set prd_vicuna80 is not there")
def test_half_of_the_real_votes_are_as_good_as_all():
    from camelx.ranking.benchmark.forecasts import forecast
    from camelx.ranking.benchmark.rounds import read_rounds

    rounds = read_rounds(REAL / "rounds.jsonl")
    votes = rounds.votes.assign(first_author=None, second_author=None)
    human = rounds.truth["human"].to_numpy(float)

    def accuracy(bought):
        ranked = rank_votes(bought, ReliablePeerRankConfig(), drop_own=False)
        return float((forecast(ranked, rounds.truth).verdict == human).mean())

    curve = buying_curve(votes, accuracy, shares=(0.5, 1.0), seeds=range(3))
    assert curve["bought"][0] >= curve["bought"][1] - 0.01


# Ledger and purse


def turn(agent="rex", goal="g", prompt=100, completion=50, error=None):
    return Interaction(
        id="t", cycle_id="c", stage=Stage.RANK, goal_id=goal, agent=agent, role=Role.PEER_REVIEWER,
        model="m", prompt_tokens=prompt, completion_tokens=completion, error=error,
    )  # fmt: skip


def test_a_ledger_adds_up_calls_tokens_and_money_by_price():
    ledger = Ledger({"rex": PriceConfig(prompt=2.0, completion=10.0)})
    for entry in (turn(), turn("sue"), turn(error="500")):
        ledger.enter(entry)
    spent = ledger.spent(10)
    assert (spent.calls, spent.tokens, spent.all_calls) == (2, 300, 10)
    assert spent.money == pytest.approx((100 * 2 + 50 * 10) / 1e6)
    assert ledger.failed == 1


def test_prices_are_relative_and_nobody_is_free():
    ledger = Ledger({"dear": PriceConfig(prompt=30.0), "cheap": PriceConfig(prompt=10.0)})
    assert ledger.relative_prices(["dear", "cheap"]) == [1.5, 0.5]
    assert ledger.relative_prices(["dear", "cheap", "local"])[2] == 0.1
    assert Ledger().relative_prices(["a", "b"]) == [1.0, 1.0]
    ledger.enter(turn("cheap", prompt=3000))
    assert ledger.relative_prices(["dear", "cheap"]) == [1.0, 1.0]


def test_a_call_costs_at_most_a_token_for_each_byte_and_the_longest_answer():
    ledger = Ledger({"rex": PriceConfig(prompt=1.0, completion=2.0)}, {"rex": 500, "sue": 500})
    asked = [Message(role="user", content="\u00e4" * 100)]
    most = ledger.most("rex", asked)
    assert 700 <= most.tokens <= 800
    assert most.money == pytest.approx((most.tokens + 500) / 1e6)
    assert ledger.most("sue", asked) == Cost(most.tokens, 0.0)
    assert ledger.most("with tools", asked) == Cost(math.inf, 0.0)


def test_calls_under_way_count_with_the_most_that_they_may_take():
    purse = Purse(BudgetConfig(tokens=1000), Ledger())
    assert purse.has_room(Cost(1000))
    purse.reserve("g", Cost(600))
    assert purse.has_room(Cost(400))
    assert not purse.has_room(Cost(401))
    purse.ledger.enter(turn())
    purse.release("g", Cost(600))
    assert purse.has_room(Cost(850))
    assert not purse.has_room(Cost(850), n_kept=1)


def test_a_call_that_nothing_bounds_is_made_alone():
    purse = Purse(BudgetConfig(tokens=1000), Ledger())
    assert purse.has_room(Cost(math.inf))
    purse.reserve("g", Cost(math.inf))
    assert not purse.has_room(Cost(1))
    purse.release("g", Cost(math.inf))
    purse.reserve("g", Cost(1))
    assert not purse.has_room(Cost(math.inf))


def test_calls_under_way_count_as_calls():
    purse = Purse(BudgetConfig(calls=3, calls_per_goal=2), Ledger())
    for goal in "gh":
        purse.reserve(goal, Cost())
    assert purse.has_calls()
    assert not purse.has_calls(n_kept=1)
    assert not purse.is_closed("g")
    purse.reserve("g", Cost())
    assert purse.is_closed("g")
    assert not purse.has_calls()
