"""The tables of the loop, one per record: goals, cycles, what agents and people said, what followed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, ModelText, id_column

_CYCLE = "cycles.id"
_GOAL = "goals.id"
_INTERACTION = "interactions.id"


class GoalRow(Base):
    """A `Goal`."""

    __tablename__ = "goals"
    id: Mapped[str] = id_column(primary=True)
    text: Mapped[str] = mapped_column(ModelText)
    answer: Mapped[str | None] = mapped_column(ModelText)
    verifier: Mapped[str | None]
    category: Mapped[str] = mapped_column(ModelText)
    level: Mapped[int | None]
    split: Mapped[str]
    source: Mapped[str] = mapped_column(ModelText)
    __table_args__ = (Index("ix_goals_split_level", "split", "level"),)


class CycleRow(Base):
    """A `Cycle`."""

    __tablename__ = "cycles"
    id: Mapped[str] = id_column(primary=True)
    number: Mapped[int]
    origin: Mapped[str] = mapped_column(Text, server_default="run")
    status: Mapped[str]
    config: Mapped[dict[str, Any]]
    config_path: Mapped[str | None]
    parent_version: Mapped[int | None]
    trace_id: Mapped[str]
    goal_ids: Mapped[list[Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    seconds: Mapped[float]
    peak_rss_mb: Mapped[float]
    error: Mapped[str | None] = mapped_column(ModelText)
    __table_args__ = (UniqueConstraint("number", name="uq_cycles_number"),)


class GoalUseRow(Base):
    """That a cycle works on a goal: `Cycle.goal_ids` once more, where SQL can count it."""

    __tablename__ = "goal_uses"
    cycle_id: Mapped[str] = id_column(_CYCLE, primary=True)
    goal_id: Mapped[str] = id_column(_GOAL, primary=True)
    __table_args__ = (Index("ix_goal_uses_goal_id", "goal_id"),)


class StageReportRow(Base):
    """A `StageReport`."""

    __tablename__ = "stage_reports"
    cycle_id: Mapped[str] = id_column(_CYCLE, primary=True)
    stage: Mapped[str] = mapped_column(Text, primary_key=True)
    status: Mapped[str]
    started_at: Mapped[datetime]
    seconds: Mapped[float]
    model_seconds: Mapped[float]
    n_model_calls: Mapped[int]
    counts: Mapped[dict[str, Any]]
    details: Mapped[dict[str, Any]]
    error: Mapped[str | None] = mapped_column(ModelText)


class InteractionRow(Base):
    """An `Interaction`. A child may be written before its parent in one transaction."""

    __tablename__ = "interactions"
    id: Mapped[str] = id_column(primary=True)
    cycle_id: Mapped[str] = id_column(_CYCLE)
    stage: Mapped[str]
    goal_id: Mapped[str] = id_column(_GOAL)
    agent: Mapped[str] = mapped_column(ModelText)
    role: Mapped[str]
    parent_id: Mapped[str | None] = id_column(_INTERACTION, deferred=True)
    sample: Mapped[int]
    model: Mapped[str] = mapped_column(ModelText)
    adapter_version: Mapped[str | None]
    messages: Mapped[list[Any]]
    completion: Mapped[str] = mapped_column(ModelText)
    finish_reason: Mapped[str | None]
    tool_calls: Mapped[list[Any]] = mapped_column(
        JSON().with_variant(JSONB(), "postgresql"),  # which can't compare the default of a plain JSON column
        server_default="[]",
    )
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    latency_s: Mapped[float]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(ModelText)
    trace_id: Mapped[str | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        Index("ix_interactions_cycle_id_stage_role", "cycle_id", "stage", "role"),
        Index("ix_interactions_goal_id", "goal_id"),
    )


class VoteRow(Base):
    """A `Vote`."""

    __tablename__ = "votes"
    id: Mapped[str] = id_column(primary=True)
    cycle_id: Mapped[str] = id_column(_CYCLE)
    goal_id: Mapped[str] = id_column(_GOAL)
    judge: Mapped[str] = mapped_column(ModelText)
    first_id: Mapped[str] = id_column(_INTERACTION)
    second_id: Mapped[str] = id_column(_INTERACTION)
    verdict: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(ModelText)
    form: Mapped[str] = mapped_column(Text, server_default="pairwise")
    round: Mapped[int] = mapped_column(server_default="0")
    interaction_id: Mapped[str | None] = id_column(_INTERACTION)
    created_at: Mapped[datetime]
    __table_args__ = (Index("ix_votes_cycle_id", "cycle_id"),)


class ComparisonRow(Base):
    """A `Comparison`; its key begins with the cycle, so that no further index is needed."""

    __tablename__ = "comparisons"
    cycle_id: Mapped[str] = id_column(_CYCLE, primary=True)
    first_id: Mapped[str] = id_column(_INTERACTION, primary=True)
    second_id: Mapped[str] = id_column(_INTERACTION, primary=True)
    goal_id: Mapped[str] = id_column(_GOAL)
    role: Mapped[str]
    probability: Mapped[float]
    n_votes: Mapped[int]
    n_orders: Mapped[int]
    vote_ids: Mapped[list[Any]]


class RankingRow(Base):
    """A `Ranking`; its key begins with the cycle, so that no further index is needed."""

    __tablename__ = "rankings"
    cycle_id: Mapped[str] = id_column(_CYCLE, primary=True)
    interaction_id: Mapped[str] = id_column(_INTERACTION, primary=True)
    ranker: Mapped[str] = mapped_column(Text, primary_key=True)
    goal_id: Mapped[str] = id_column(_GOAL)
    score: Mapped[float]
    stderr: Mapped[float]
    rank: Mapped[int]
    n_votes: Mapped[float]


class AnnotationRow(Base):
    """An `Annotation`."""

    __tablename__ = "annotations"
    id: Mapped[str] = id_column(primary=True)
    goal_id: Mapped[str] = id_column(_GOAL)
    first_id: Mapped[str] = id_column(_INTERACTION)
    second_id: Mapped[str] = id_column(_INTERACTION)
    annotator: Mapped[str] = mapped_column(ModelText)
    verdict: Mapped[str]
    rating: Mapped[int | None]
    rationale: Mapped[str | None] = mapped_column(ModelText)
    edited_text: Mapped[str | None] = mapped_column(ModelText)
    duration_s: Mapped[float | None]
    repeat: Mapped[int] = mapped_column(server_default="0")
    adjudicated: Mapped[bool] = mapped_column(server_default=false())
    submission_id: Mapped[str | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        Index("ix_annotations_goal_id", "goal_id"),
        Index("ix_annotations_annotator_created_at", "annotator", "created_at"),
        Index("ix_annotations_first_id_second_id", "first_id", "second_id"),
        Index("ix_annotations_submission_id", "submission_id"),
        Index("ix_annotations_created_at_id", "created_at", "id"),
    )


class UsedAnnotationRow(Base):
    """An `Annotation` as it was when a stage used it; no reference, because people may take theirs back."""

    __tablename__ = "used_annotations"
    cycle_id: Mapped[str] = id_column(_CYCLE, primary=True)
    stage: Mapped[str] = mapped_column(Text, primary_key=True)
    annotation_id: Mapped[str] = id_column(primary=True)
    annotation: Mapped[dict[str, Any]]


class HoldoutRow(Base):
    """A set of held-out goals with the hash under which it was frozen at its first use."""

    __tablename__ = "holdouts"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text)
    goal_ids: Mapped[list[Any]]
    created_at: Mapped[datetime]
