"""The parts that queries are put together from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, case, null, or_, select
from sqlalchemy.orm import aliased

from camelx.schemas import AnnotationFilter, Split, Stage, Verdict
from camelx.storage.tables import AnnotationRow, Base, CycleRow, GoalRow, InteractionRow, VoteRow


def columns(model: type[Base]) -> list[Any]:
    """Return the columns of a table, named like the fields of its record."""
    return list(model.metadata.tables[model.__tablename__].columns)


def cycle_query() -> Select[Any]:
    """Return the query of cycles, without the one that live sessions belong to."""
    return select(*columns(CycleRow)).where(CycleRow.origin != "session")


def goal_query(*, split: Split | None, source: str | None) -> Select[Any]:
    """Return the query of goals."""
    query = select(*columns(GoalRow))
    query = query if split is None else query.where(GoalRow.split == split.value)
    return query if source is None else query.where(GoalRow.source == source)


def of_stage(query: Select[Any], stage: Stage | None) -> Select[Any]:
    """Return the query of votes, for those whose reviewer's turn was in the stage."""
    if stage is None:
        return query
    turn = aliased(InteractionRow)
    in_stage = turn.stage == stage.value
    if stage is Stage.RANK:
        in_stage = or_(in_stage, VoteRow.interaction_id.is_(null()))
    return query.outerjoin(turn, turn.id == VoteRow.interaction_id).where(in_stage)


def vote_table_query() -> Select[Any]:
    """Return the query of votes with goal category, authors of what was shown, and verdict as a number."""
    first, second = aliased(InteractionRow), aliased(InteractionRow)
    outcomes = {Verdict.FIRST.value: 1.0, Verdict.SECOND.value: -1.0, Verdict.TIE.value: 0.0}
    return (
        select(
            VoteRow.goal_id,
            VoteRow.judge,
            VoteRow.first_id,
            VoteRow.second_id,
            first.agent.label("first_author"),
            second.agent.label("second_author"),
            case(outcomes, value=VoteRow.verdict).label("outcome"),
            VoteRow.id.label("vote_id"),
            GoalRow.category,
            VoteRow.round,
            VoteRow.form,
        )
        .join(GoalRow, GoalRow.id == VoteRow.goal_id)
        .join(first, first.id == VoteRow.first_id)
        .join(second, second.id == VoteRow.second_id)
    )


def annotation_query(wanted: AnnotationFilter) -> Select[Any]:
    """Return the query of the annotations that are meant, in no order."""
    query = select(*columns(AnnotationRow))
    if wanted.cycle_id is not None:
        query = query.join(InteractionRow, InteractionRow.id == AnnotationRow.first_id)
        query = query.where(InteractionRow.cycle_id == wanted.cycle_id)
    for name in ("annotator", "goal_id", "verdict"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(AnnotationRow, name) == str(value))
    if wanted.since is not None:
        query = query.where(AnnotationRow.created_at >= wanted.since)
    return query if wanted.until is None else query.where(AnnotationRow.created_at < wanted.until)


def annotations_up_to_query(cycle_number: int) -> Select[Any]:
    """Return the query of annotations on two results that one cycle generated, of that number or lower.

    Repeats, by which a person is compared with themselves, count for no cycle.
    """
    first, second = aliased(InteractionRow), aliased(InteractionRow)
    return (
        select(*columns(AnnotationRow))
        .join(first, first.id == AnnotationRow.first_id)
        .join(second, second.id == AnnotationRow.second_id)
        .join(CycleRow, CycleRow.id == first.cycle_id)
        .where(
            first.cycle_id == second.cycle_id,
            first.stage == Stage.GENERATE.value,
            second.stage == Stage.GENERATE.value,
            CycleRow.number <= cycle_number,
            AnnotationRow.repeat == 0,
        )
        .order_by(AnnotationRow.goal_id, AnnotationRow.created_at, AnnotationRow.id)
    )
