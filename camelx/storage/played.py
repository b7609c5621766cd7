"""The part of `Store` that takes cycles which were played elsewhere, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlalchemy.engine import Connection

from camelx.schemas import Annotation, Cycle, Goal, Interaction, StageReport, Vote
from camelx.storage.at_once import placed_at_once
from camelx.storage.database import Database
from camelx.storage.rows import row_of
from camelx.storage.tables import (
    AnnotationRow,
    CycleRow,
    GoalRow,
    GoalUseRow,
    InteractionRow,
    StageReportRow,
    VoteRow,
)


class PlayedCycle(NamedTuple):
    """A new cycle with all that belongs to it."""

    cycle: Cycle
    goals: Iterable[Goal]
    """Its goals; those that are there stay as they are."""
    interactions: Iterable[Interaction]
    """What its agents answered."""
    votes: Iterable[Vote]
    """What its judges said."""
    annotations: Iterable[Annotation]
    """What people said."""
    report: StageReport
    """Of the stage that made the interactions."""


class PlayedCycles(Database):
    """Taking cycles that no stage of this database made."""

    def add_played_cycle(self, played: PlayedCycle) -> None:
        """Store a cycle that was played elsewhere, whole or not at all.

        Raises:
            StorageError: There is a cycle with this id or number.
        """
        with self._write(f"adding cycle {played.cycle.id}") as connection:
            self._add_played(connection, played)

    def add_first_cycles(self, played: Iterable[PlayedCycle]) -> None:
        """Store the first cycles of a database, all or none of them, faster than one after the other.

        Raises:
            StorageError: There are interactions already.
        """
        with self._write("adding the first cycles") as connection, placed_at_once(connection):
            for one in played:
                self._add_played(connection, one)

    def _add_played(self, connection: Connection, played: PlayedCycle) -> None:
        self._insert_new(connection, GoalRow, [row_of(goal) for goal in played.goals])
        connection.execute(insert(CycleRow), row_of(played.cycle))
        self._insert_new(connection, GoalUseRow, uses_of(played.cycle))
        self._upsert(connection, InteractionRow, played.interactions)
        self._upsert(connection, VoteRow, played.votes)
        self._upsert(connection, AnnotationRow, played.annotations)
        self._upsert(connection, StageReportRow, [played.report])


def uses_of(cycle: Cycle) -> list[dict[str, Any]]:
    """Return the rows that count a cycle's goals as used."""
    return [{"cycle_id": cycle.id, "goal_id": goal_id} for goal_id in dict.fromkeys(cycle.goal_ids)]
