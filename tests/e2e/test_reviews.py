"""Reviews bought within a budget, through the stages and the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from camelx import stages
from camelx.config import load_config
from camelx.cycles import open_store
from camelx.cycles.opening import open_cycle
from camelx.errors import ConfigError
from camelx.schemas import Stage

from .conftest import CountingServer

_BUYING = {"ranking.buying": {"budget": {"calls": 30}}, "ranking.reviewers_per_pair": 2}


def test_what_is_bought_is_paid_once_and_reported_with_its_price(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    agents = counted_config.with_name("agents.yaml")
    agents.write_text(
        agents.read_text("utf-8").replace(
            "model: counted", "model: counted, price: {prompt: 10, completion: 20}"
        )
    )
    cycle_id = open_cycle(str(counted_config), overrides=_BUYING)
    stages.generate_interactions(cycle_id)
    before = counted.n_answered
    spent = stages.mutual_rank(cycle_id).details["spent"]
    assert (spent["calls"], counted.n_answered - before, spent["tokens"]) == (30, 30, 150)
    assert spent["money"] == pytest.approx(30 * (3 * 10 + 2 * 20) / 1e6)
    # Of the 6 pairs of a goal, 4 may be seen by two judges and 2 by the reviewer alone.
    assert spent["all_calls"] == 8 * (4 * 2 + 2) * 2
    open_cycle("unused", cycle_id=cycle_id, from_stage=Stage.RANK)
    assert stages.mutual_rank(cycle_id).details["spent"] == spent
    assert counted.n_answered - before == 30
    with open_store() as store:
        votes = store.votes(cycle_id, stage=Stage.RANK)
        turns = store.interactions_by_id(v.interaction_id for v in votes if v.interaction_id)
    assert len(votes) == len(turns) == 30


def test_a_budget_in_money_without_any_price_is_refused(counted_config: Path) -> None:
    overrides = {"ranking.buying": {"budget": {"money": 1.0}}}
    with pytest.raises(ConfigError, match="each reviewer costs: server has no price"):
        load_config(counted_config, overrides)


def test_lists_are_refused_together_with_buying(counted_config: Path) -> None:
    with pytest.raises(ConfigError, match="buying needs form 'pairwise', got form 'listwise'"):
        load_config(counted_config, {"ranking.form": "listwise", **_BUYING})
