"""Cycles as records alone, for tests of what is shown of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from camelx.config import load_config
from camelx.schemas import Cycle, CycleStatus, ProgressMade, Stage, StageReport, TrainingStep, utc_now
from camelx.storage import Store

CONFIG = Path(__file__).parents[1] / "configs" / "cycle.yaml"
HELD = {"n": 300, "champion": 0.4, "challenger": 0.5, "difference": 0.1, "low": 0.02, "high": 0.18,
        "p_value": 0.01}  # fmt: skip


def add_completed(store: Store, number: int, *, seed: int = 0) -> str:
    """Store a cycle that completed, and return its id."""
    cycle_id = f"c{number}"
    config = load_config(CONFIG, {"seed": seed}).model_dump(mode="json")
    began = utc_now() - timedelta(minutes=number + 5)
    store.add_cycle(
        Cycle(
            id=cycle_id,
            number=number,
            config=config,
            status=CycleStatus.COMPLETED,
            trace_id="t",
            started_at=began,
            finished_at=began + timedelta(minutes=2),
            seconds=120.0,
        )
    )
    counts = {
        Stage.GENERATE: {"goals": 10, "proposals": 20, "executions": 40, "failed": 0},
        Stage.RANK: {"votes": 60, "ties": 3, "unreadable": 1},
        Stage.EXPORT: {"pairs": 7 + number},
    }
    details = {
        Stage.EXPORT: {"dropped": {"tie": 3}},
        Stage.TRAIN: {"history": [{"step": 1, "loss": 0.7, "rewards/margins": 0.0},
                                  {"step": 2, "loss": 0.5, "rewards/margins": 0.2}]},
        Stage.EVALUATE: {"difference": HELD, "promoted": True, "reasons": ["better"]},
        Stage.REGISTER: {"promoted": True, "name": "camelx-policy", "version": number,
                         "aliases": ["champion"]},
    }  # fmt: skip
    for stage in Stage:
        store.save_stage_report(
            StageReport(
                cycle_id=cycle_id,
                stage=stage,
                status=CycleStatus.COMPLETED,
                seconds=10.0,
                counts=counts.get(stage, {}),
                details=details.get(stage, {}),
            )
        )
    return cycle_id


def add_running(store: Store, number: int) -> str:
    """Store a cycle that trains at this moment, and return its id."""
    cycle_id = f"c{number}"
    config = load_config(CONFIG).model_dump(mode="json")
    store.add_cycle(Cycle(id=cycle_id, number=number, config=config, trace_id="t"))
    store.save_stage_report(StageReport(cycle_id=cycle_id, stage=Stage.TRAIN))
    now = utc_now()
    happened = [
        (now, ProgressMade(stage=Stage.TRAIN, done=1, total=5, unit="steps")),
        (now + timedelta(seconds=2), ProgressMade(stage=Stage.TRAIN, done=2, total=5, unit="steps")),
        (now, TrainingStep(step=1, loss=0.7, reward_margin=0.0)),
        (now, TrainingStep(step=2, loss=0.6, reward_margin=0.1)),
    ]
    store.add_events(cycle_id, happened)
    return cycle_id
