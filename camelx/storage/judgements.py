"""The part of `Store` that holds judgements: votes, annotations, and what rankers made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, delete, select, union_all

from camelx.schemas import Annotation, Comparison, Interaction, Ranking, Stage, Vote
from camelx.storage.database import Database
from camelx.storage.queries import annotations_up_to_query, columns, of_stage, vote_table_query
from camelx.storage.rows import chunks, records_of, row_of, upsert
from camelx.storage.tables import (
    AnnotationRow,
    ComparisonRow,
    InteractionRow,
    RankingRow,
    UsedAnnotationRow,
    VoteRow,
)

if TYPE_CHECKING:
    import pandas as pd


class Judgements(Database):
    """What reviewers and people said of results, by record."""

    # Votes and what follows from them

    def save_votes(self, votes: Iterable[Vote]) -> None:
        """Store or replace votes, whose interactions must be stored."""
        self._save("saving votes", VoteRow, votes)

    def save_turn(self, votes: Sequence[Vote], interaction: Interaction) -> None:
        """Store a reviewer's turn and its votes (none where the call failed) in one transaction."""
        with self._write(f"saving turn {interaction.id}") as connection:
            connection.execute(upsert(InteractionRow), row_of(interaction))
            self._upsert(connection, VoteRow, votes)

    def votes(self, cycle_id: str, stage: Stage | None = None) -> list[Vote]:
        """Return the votes of a cycle by id; those given in `stage` only, where one is named.

        A vote that was imported, without a turn of the reviewer, belongs to mutual ranking.
        """
        query = of_stage(select(*columns(VoteRow)).where(VoteRow.cycle_id == cycle_id), stage)
        rows = self._read(f"reading the votes of cycle {cycle_id}", query.order_by(VoteRow.id))
        return records_of(Vote, rows)

    def vote_table(self, cycle_id: str, stage: Stage | None = Stage.RANK) -> pd.DataFrame:
        """Return the votes of a cycle's stage as the rankers take them, one row a vote, by vote id.

        Columns: goal_id, judge, first_id, second_id, first_author, second_author, outcome (1.0 first, -1.0
        second, 0.0 tie, NaN unreadable), vote_id, category (of the goal), round, form.
        """
        query = of_stage(vote_table_query().where(VoteRow.cycle_id == cycle_id), stage)
        rows = self._read(f"reading the votes of cycle {cycle_id}", query.order_by(VoteRow.id))
        return _vote_frame(query, rows)

    def vote_table_on(
        self, result_ids: Iterable[str], cycle_ids: Collection[str], *, until: datetime | None = None
    ) -> pd.DataFrame:
        """Return the votes of these cycles' mutual ranking on two of these results, by cycle and vote id.

        The columns of `vote_table`, and cycle_id.

        Args:
            result_ids: Interactions.
            cycle_ids: Where to look.
            until: Leave out votes that came later.
        """
        query = of_stage(vote_table_query().add_columns(VoteRow.cycle_id), Stage.RANK)
        query = query.where(VoteRow.cycle_id.in_(sorted(cycle_ids)))
        query = query if until is None else query.where(VoteRow.created_at <= until)
        wanted = set(result_ids)
        rows: list[Any] = []
        for some in chunks(sorted(wanted)):
            rows += self._read("reading votes on results", query.where(VoteRow.first_id.in_(some)))
        both = (row for row in rows if row.second_id in wanted)
        return _vote_frame(query, sorted(both, key=lambda row: (row.cycle_id, row.vote_id)))

    def replace_rankings(
        self, cycle_id: str, rankings: Iterable[Ranking], comparisons: Iterable[Comparison]
    ) -> None:
        """Put these in the place of all rankings and comparisons that the cycle has."""
        with self._write(f"saving the rankings of cycle {cycle_id}") as connection:
            connection.execute(delete(RankingRow).where(RankingRow.cycle_id == cycle_id))
            connection.execute(delete(ComparisonRow).where(ComparisonRow.cycle_id == cycle_id))
            self._upsert(connection, RankingRow, rankings)
            self._upsert(connection, ComparisonRow, comparisons)

    def rankings(self, cycle_id: str) -> list[Ranking]:
        """Return the rankings of a cycle by goal, rank and interaction."""
        query = select(*columns(RankingRow)).where(RankingRow.cycle_id == cycle_id)
        query = query.order_by(RankingRow.goal_id, RankingRow.rank, RankingRow.interaction_id)
        return records_of(Ranking, self._read(f"reading the rankings of cycle {cycle_id}", query))

    def comparisons(self, cycle_id: str) -> list[Comparison]:
        """Return the comparisons of a cycle by goal and ids."""
        query = select(*columns(ComparisonRow)).where(ComparisonRow.cycle_id == cycle_id)
        query = query.order_by(ComparisonRow.goal_id, ComparisonRow.first_id, ComparisonRow.second_id)
        return records_of(Comparison, self._read(f"reading the comparisons of cycle {cycle_id}", query))

    def provenance_ids(self, cycle_id: str) -> set[str]:
        """Return the ids that a preference pair of the cycle may rest on.

        These are its interactions, its votes, and all annotations, those that were taken back too, with what
        its pairs' annotations judge: that may come from earlier cycles.
        """
        query = union_all(
            select(InteractionRow.id).where(InteractionRow.cycle_id == cycle_id),
            select(VoteRow.id).where(VoteRow.cycle_id == cycle_id),
            select(AnnotationRow.id),
            select(UsedAnnotationRow.annotation_id).where(UsedAnnotationRow.cycle_id == cycle_id),
        )
        judged = self.used_annotations(cycle_id, Stage.EXPORT)
        return {row[0] for row in self._read(f"reading the ids of cycle {cycle_id}", query)} | {
            i for annotation in judged for i in (annotation.first_id, annotation.second_id)
        }

    # Human judgements

    def save_annotations(self, annotations: Iterable[Annotation]) -> None:
        """Store or replace annotations, whose interactions must be stored."""
        self._save("saving annotations", AnnotationRow, annotations)

    def delete_annotations(self, ids: Iterable[str]) -> None:
        """Remove the annotations that have these ids; others are no error."""
        with self._write("deleting annotations") as connection:
            connection.execute(delete(AnnotationRow).where(AnnotationRow.id.in_(list(ids))))

    def annotations(self, goal_ids: Iterable[str] | None = None) -> list[Annotation]:
        """Return the annotations, on these goals only where given, by goal and moment."""
        query = select(*columns(AnnotationRow)).order_by(
            AnnotationRow.goal_id, AnnotationRow.created_at, AnnotationRow.id
        )
        if goal_ids is None:
            return records_of(Annotation, self._read("reading annotations", query))
        return self._by_ids(Annotation, query, AnnotationRow.goal_id, goal_ids)

    def annotations_up_to(self, cycle_number: int) -> list[Annotation]:
        """Return the annotations on pairs that a cycle of this number or a lower one generated."""
        query = annotations_up_to_query(cycle_number)
        return records_of(Annotation, self._read("reading annotations", query))

    def use_annotations(self, cycle_id: str, stage: Stage, annotations: Iterable[Annotation]) -> None:
        """Keep these, as they are now, as all that the stage was computed with; people may go on judging."""
        key = {"cycle_id": cycle_id, "stage": stage.value}
        rows = [key | {"annotation_id": a.id, "annotation": a.model_dump(mode="json")} for a in annotations]
        with self._write(f"keeping the annotations of stage {stage.value}") as connection:
            mine = (UsedAnnotationRow.cycle_id == cycle_id, UsedAnnotationRow.stage == stage.value)
            connection.execute(delete(UsedAnnotationRow).where(*mine))
            if rows:
                connection.execute(upsert(UsedAnnotationRow), rows)

    def used_annotations(self, cycle_id: str, stage: Stage) -> list[Annotation]:
        """Return the annotations that a stage was computed with, as they were then, by goal and moment."""
        query = select(UsedAnnotationRow.annotation).where(
            UsedAnnotationRow.cycle_id == cycle_id, UsedAnnotationRow.stage == stage.value
        )
        rows = self._read(f"reading the annotations of stage {stage.value}", query)
        found = [Annotation.model_validate(row[0]) for row in rows]
        return sorted(found, key=lambda a: (a.goal_id, a.created_at, a.id))


def _vote_frame(query: Select[Any], rows: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd

    names = [column["name"] for column in query.column_descriptions]
    return pd.DataFrame(rows, columns=names).astype({"outcome": float, "round": int})
