"""Rounds that people and other systems played go through the rest of a cycle, on real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_model import build_tiny_model

from camelx import stages
from camelx.cycles import open_store
from camelx.cycles.imports import import_rounds
from camelx.cycles.opening import open_cycle
from camelx.cycles.policies import open_registry
from camelx.lineage.replaying import replay_cycle
from camelx.schemas import Stage

ROOT = Path(__file__).parents[2]
ROUNDS = (
    Path(os.environ.get("CAMELX_REAL_DATA", ROOT.parent / "shared" / "data"))
    / "prd_vicuna80"
    / "rounds.jsonl"
)


@pytest.mark.slow
@pytest.mark.skipif(not ROUNDS.exists(), reason=f"{ROUNDS} is not there; set CAMELX_REAL_DATA")
def test_real_rounds_are_ranked_exported_validated_trained_on_and_registered(root: Path) -> None:
    base = build_tiny_model(root / "base", context=8192)
    overrides = {
        "policy.base": str(base),
        "policy.name": "rounds",
        "goals.heldout_n": 4,
        "training.max_length": 2048,
        "training.epochs": 1,
        "training.micro_batch_size": 1,
        "ranking.ranker": {"kind": "reliable_peer_rank"},
    }
    cycle_id, rounds = import_rounds(ROUNDS, ROOT / "configs" / "cycle.yaml", overrides=overrides)
    assert (len(rounds.goals), len(rounds.interactions), len(rounds.votes)) == (80, 400, 8000)
    assert open_cycle("unused", cycle_id=cycle_id) == cycle_id
    reports = {name: stage(cycle_id) for name, stage in stages.BY_NAME.items()}
    assert reports[Stage.RANK].n_model_calls == 0
    assert reports[Stage.EXPORT].counts["human"] > 0
    assert reports[Stage.RANK].details["panel"]["verified"] is True
    assert replay_cycle(cycle_id).identical
    assert reports[Stage.VALIDATE].counts["rules"] == 19
    with open_store() as store:
        assert store.cycle(cycle_id).origin == "import"
    assert open_registry().version("rounds", 1).cycle_id == cycle_id
