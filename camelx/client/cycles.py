"""Calls on cycles: list, start, cancel, resume, look at, compare. To watch one: `AsyncClient.watch`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from camelx.client.calls import Call, Page, View, get, given, post
from camelx.schemas import CycleEvent, CycleStatus, Stage


class StageState(View):
    """How far one stage of a cycle got."""

    name: Stage
    status: CycleStatus
    started_at: datetime
    seconds: float
    model_seconds: float
    n_model_calls: int
    counts: dict[str, int]
    error: str | None


class CycleState(View):
    """One cycle: how it stands, what it did, what it brought."""

    cycle_id: str
    status: CycleStatus
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    seconds: float
    n_goals: int
    n_interactions: int
    n_votes: int
    n_pairs: int
    heldout: dict[str, float] | None
    """Champion against challenger on held-out goals, with the difference's interval."""
    promoted: bool
    stages: list[StageState]

    @property
    def is_over(self) -> bool:
        """Whether it neither runs nor is going to."""
        return self.status not in (CycleStatus.QUEUED, CycleStatus.RUNNING)


class EventsSince(View):
    """What happened in a cycle behind an event."""

    items: list[CycleEvent]
    last_seq: int
    """To be given as `after` with the next call."""


class Differences(View):
    """Two cycles side by side: lists of {what, a, b}."""

    a: str
    b: str
    config: list[dict[str, Any]]
    counts: list[dict[str, Any]]
    heldout: list[dict[str, Any]]
    costs: list[dict[str, Any]]


def every(*, status: CycleStatus | None = None, limit: int = 50) -> Call[Page[CycleState]]:
    """Return all cycles, newest first, in pages of `limit`."""
    return get(Page[CycleState], "cycles", status=status, limit=limit)


def one(cycle_id: str) -> Call[CycleState]:
    """Return one cycle."""
    return get(CycleState, "cycles", cycle_id)


def configs() -> Call[list[str]]:
    """Return the names of the configs that a cycle can be started with."""
    return get(list[str], "cycles", "configs")


def start(config: str = "cycle.yaml", *, overrides: Mapping[str, Any] | None = None) -> Call[CycleState]:
    """Start a cycle.

    Args:
        config: Name of a file in the project's configs folder.
        overrides: Values by dotted key that win over the file, such as {"goals.n": 50}.
    """
    return post(CycleState, "cycles", body={"config": config, "overrides": dict(overrides or {})})


def cancel(cycle_id: str) -> Call[CycleState]:
    """Stop a cycle."""
    return post(CycleState, "cycles", cycle_id, "cancel")


def resume(cycle_id: str, *, from_stage: Stage | None = None) -> Call[CycleState]:
    """Go on with a cycle that ended; with `from_stage` that stage and all later ones run again."""
    return post(CycleState, "cycles", cycle_id, "resume", body=given(from_stage=from_stage))


def stages(cycle_id: str) -> Call[list[StageState]]:
    """Return the stages that have begun, in order."""
    return get(list[StageState], "cycles", cycle_id, "stages")


def events(cycle_id: str, after: int = 0, *, limit: int = 500) -> Call[EventsSince]:
    """Return what happened behind an event, for whoever can't hold a WebSocket open."""
    return get(EventsSince, "cycles", cycle_id, "events", after=after, limit=limit)


def compare(a: str, b: str) -> Call[Differences]:
    """Compare two cycles."""
    return get(Differences, "cycles", "compare", a=a, b=b)
