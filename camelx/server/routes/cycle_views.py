"""What /api/v1/cycles takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from camelx.cycles.comparing import Comparison, Difference
from camelx.cycles.summary import CycleSummary
from camelx.schemas import CycleEvent, CycleStatus, Launch, Stage, StageReport


class StageView(BaseModel):
    """How far one stage of a cycle got."""

    name: Stage
    status: CycleStatus
    started_at: datetime
    seconds: float = Field(description="Wall time, summed over resumptions.", examples=[12.4])
    model_seconds: float
    n_model_calls: int
    counts: dict[str, int] = Field(examples=[{"proposals": 400, "executions": 800}])
    error: str | None

    @classmethod
    def of(cls, report: StageReport) -> Self:
        """Return the view of a stage's report."""
        return cls(name=report.stage, **report.model_dump(include=set(cls.model_fields) - {"name"}))


class VersionView(BaseModel):
    """A registered version."""

    name: str | None = Field(examples=["camelx-policy"])
    version: int | None = Field(examples=[3])


class CycleView(BaseModel):
    """One cycle: how it stands, what it did, what it brought."""

    model_config = ConfigDict(extra="ignore")

    cycle_id: str = Field(examples=["c7"])
    status: CycleStatus
    error: str | None
    origin: Literal["run", "import"]
    config_path: str | None
    parent_version: int | None = Field(description="The champion that it started from; null: the base.")
    trace_id: str
    started_at: datetime
    finished_at: datetime | None
    requested_by: str | None = Field(description="Who started it last.", examples=["ada"])
    cancel_asked_at: datetime | None
    prefect_url: str | None = Field(description="Its run in the Prefect UI, where that is known.")
    reports: list[Literal["validation", "panel"]] = Field(description="Pages of it that can be opened.")
    seconds: float
    peak_rss_mb: float
    overhead_share: float
    n_goals: int
    n_interactions: int
    n_votes: int
    n_model_calls: int
    n_pairs: int
    dropped: dict[str, int] = Field(description="Comparisons that made no pair, by reason.")
    heldout: dict[str, float] | None = Field(
        description="Champion against challenger on held-out goals, with the difference's interval.",
        examples=[{"n_goals": 300, "champion": 0.41, "challenger": 0.47, "difference": 0.06, "low": 0.02,
                   "high": 0.1, "p_value": 0.003}],
    )  # fmt: skip
    promoted: bool
    mlflow: VersionView
    stages: list[StageView]

    @classmethod
    def of(
        cls, summary: CycleSummary, launch: Launch | None, *, prefect_url: str | None, reports: list[str]
    ) -> Self:
        """Return the view of a cycle."""
        facts = summary.as_json() | summary.cycle.model_dump(
            include={"origin", "config_path", "parent_version", "trace_id", "started_at", "finished_at"}
        )
        facts["stages"] = [StageView.of(report) for report in summary.reports.values()]
        return cls.model_validate(
            facts
            | {
                "requested_by": launch.requested_by if launch else None,
                "cancel_asked_at": launch.cancel_asked_at if launch else None,
                "prefect_url": prefect_url,
                "reports": reports,
            }
        )


class CyclesView(BaseModel):
    """A page of the list of cycles."""

    items: list[CycleView]
    next_cursor: str | None = Field(description="Gives the next page; null: this was the last.")


class NewCycle(BaseModel):
    """What to start."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"config": "cycle.yaml", "overrides": {"goals.n": 50, "seed": 7}}]},
    )

    config: str = Field(
        default="cycle.yaml", max_length=200, description="Name of a file in the project's configs folder."
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        max_length=100,
        description="Values by dotted key that win over the file. What names code, files, servers or keys "
        "can't be overridden.",
    )


class Resumption(BaseModel):
    """How to go on with a cycle."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    from_stage: Stage | None = Field(
        default=None, description="Run this stage and all later ones again; null: what is left."
    )


class EventsView(BaseModel):
    """What happened in a cycle after the last event that the caller has seen."""

    items: list[CycleEvent]
    last_seq: int = Field(description="To be sent as `after` with the next call.", examples=[214])


class DifferenceView(BaseModel):
    """One thing that two cycles have."""

    model_config = ConfigDict(from_attributes=True)

    what: str = Field(examples=["training.epochs"])
    a: Any
    b: Any


class ComparisonView(BaseModel):
    """Two cycles side by side."""

    a: str = Field(examples=["c6"])
    b: str = Field(examples=["c7"])
    config: list[DifferenceView] = Field(description="Values of the configs that differ.")
    counts: list[DifferenceView]
    heldout: list[DifferenceView]
    costs: list[DifferenceView]

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """Return the view of a comparison."""
        return cls(
            a=comparison.a.cycle.id,
            b=comparison.b.cycle.id,
            config=_views(comparison.config),
            counts=_views(comparison.counts),
            heldout=_views(comparison.heldout),
            costs=_views(comparison.costs),
        )


def _views(differences: tuple[Difference, ...]) -> list[DifferenceView]:
    return [DifferenceView.model_validate(one) for one in differences]
