"""Who watches a cycle sees it begin, its stages with their progress, the training's curve, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from camelx import stages
from camelx.cycles import close_cycle, open_store
from camelx.cycles.opening import open_cycle
from camelx.errors import OrchestrationError
from camelx.schemas import CycleEvent, CycleStatus, Stage

from .conftest import CountingServer


def events_of(cycle_id: str) -> list[CycleEvent]:
    with open_store() as store:
        return store.events_after(cycle_id, limit=10_000)


def test_a_cycle_tells_what_happens_in_it(root: Path, counted_config: Path) -> None:
    cycle_id = open_cycle(str(counted_config))
    for stage in list(Stage)[:5]:
        stages.BY_NAME[stage](cycle_id)
    close_cycle(cycle_id, status=CycleStatus.CANCELLED, error="enough")
    events = events_of(cycle_id)

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [e.payload.status for e in events if e.kind == "cycle_status"] == ["running", "cancelled"]
    assert events[-1].payload.error == "enough"
    told = [(e.payload.stage, e.payload.status) for e in events if e.kind == "stage_status"]
    assert told == [(stage, status) for stage in list(Stage)[:5] for status in ("running", "completed")]
    ended = {e.payload.stage: e.payload for e in events if e.kind == "stage_status"}
    assert ended[Stage.EXPORT].counts["pairs"] > 0
    made = {e.payload.stage: e.payload for e in events if e.kind == "progress"}
    assert made[Stage.GENERATE].done == made[Stage.GENERATE].total
    assert made[Stage.RANK].unit == "votes"
    steps = [e.payload for e in events if e.kind == "training"]
    assert [step.step for step in steps] == list(range(1, ended[Stage.TRAIN].counts["steps"] + 1))
    assert all(None not in (s.loss, s.reward_margin, s.accuracy, s.learning_rate) for s in steps)


def test_a_stage_that_fails_and_a_cycle_that_goes_on_are_told(
    root: Path, counted_config: Path, counted: CountingServer
) -> None:
    cycle_id = open_cycle(str(counted_config))
    with pytest.raises(OrchestrationError):
        stages.mutual_rank(cycle_id)
    close_cycle(cycle_id, status=CycleStatus.FAILED, error="no results")
    open_cycle(str(counted_config), cycle_id=cycle_id)
    payloads = [event.payload for event in events_of(cycle_id)]
    assert [p.status for p in payloads] == ["running", "running", "failed", "failed", "running"]
    assert "generate-interactions has not completed" in payloads[2].error
