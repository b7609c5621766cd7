"""The part of `Store` that answers who agrees with whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from camelx.errors import ConflictError
from camelx.schemas import Annotation, AnnotationFilter, TimedVote
from camelx.storage.database import Database
from camelx.storage.queries import annotation_query, columns
from camelx.storage.rows import chunks, records_of, row_of, upsert
from camelx.storage.tables import AnnotationRow, AnnotationSubmissionRow, GoalRow, InteractionRow, VoteRow

_NOT_UNDONE = (
    update(AnnotationSubmissionRow)
    .where(
        AnnotationSubmissionRow.submission_id == bindparam("its_id"),
        AnnotationSubmissionRow.annotator == bindparam("its_annotator"),
    )
    .values(can_be_undone=False)
)
_RENAME = (
    update(AnnotationRow)
    .where(AnnotationRow.id == bindparam("old_id"))
    .values(id=bindparam("new_id"), annotator=bindparam("whose"))
)


class Agreement(Database):
    """Annotations of a cycle or of a person, and reviewers' votes on the same pairs."""

    def annotations_on(self, cycle_id: str | None = None, annotator: str | None = None) -> list[Annotation]:
        """Return the annotations on results of one cycle, of one person, or both, by moment and id."""
        query = select(*columns(AnnotationRow)).order_by(AnnotationRow.created_at, AnnotationRow.id)
        if cycle_id is not None:
            query = query.join(InteractionRow, InteractionRow.id == AnnotationRow.first_id)
            query = query.where(InteractionRow.cycle_id == cycle_id)
        if annotator is not None:
            query = query.where(AnnotationRow.annotator == annotator)
        return records_of(Annotation, self._read("reading annotations", query))

    def annotations_meant(self, wanted: AnnotationFilter) -> list[Annotation]:
        """Return all annotations that are meant, by moment and id."""
        query = annotation_query(wanted).order_by(AnnotationRow.created_at, AnnotationRow.id)
        return records_of(Annotation, self._read("reading annotations", query))

    def annotations_by_id(self, ids: Iterable[str]) -> dict[str, Annotation]:
        """Return the annotations that exist among `ids`."""
        query = select(*columns(AnnotationRow))
        return {found.id: found for found in self._by_ids(Annotation, query, AnnotationRow.id, ids)}

    def change_annotations(self, saved: Sequence[Annotation], deleted_ids: Sequence[str] = ()) -> None:
        """Store or replace some annotations and remove others, all or nothing.

        What is stored so is no verdict that was given on an item: nobody's undo takes it back.
        """
        submissions = [
            {"its_id": a.submission_id, "its_annotator": a.annotator} for a in saved if a.submission_id
        ]
        with self._write(f"changing {len(saved) + len(deleted_ids)} annotations") as connection:
            if submissions:
                connection.execute(_NOT_UNDONE, submissions)
            for some in chunks(deleted_ids):
                connection.execute(delete(AnnotationRow).where(AnnotationRow.id.in_(some)))
            for batch in chunks(saved):
                connection.execute(upsert(AnnotationRow), [row_of(one) for one in batch])

    def replace_settled(
        self,
        goal_id: str,
        pairs: Iterable[tuple[str, str]],
        saved: Sequence[Annotation],
        check: Callable[[Sequence[Annotation]], None],
    ) -> list[Annotation]:
        """Put settled verdicts in the place of those that some pairs have, and return what was there.

        Of two who do so at once one comes after the other.

        Args:
            goal_id: The goal of the pairs.
            pairs: Ids of two results each, in either order.
            saved: What is settled from now on; empty: nothing is.
            check: Is told what is there, and raises where something else was expected: nothing changes then.
        """
        keys = {frozenset(pair) for pair in pairs}
        query = select(*columns(AnnotationRow)).order_by(AnnotationRow.created_at, AnnotationRow.id)
        query = query.where(AnnotationRow.goal_id == goal_id, AnnotationRow.adjudicated)
        with self._write("settling a pair") as connection:
            connection.execute(select(GoalRow.id).where(GoalRow.id == goal_id).with_for_update())
            found = records_of(Annotation, connection.execute(query).all())
            earlier = [a for a in found if {a.first_id, a.second_id} in keys]
            check(earlier)
            gone = [a.id for a in earlier]
            connection.execute(delete(AnnotationRow).where(AnnotationRow.id.in_(gone)))
            self._upsert(connection, AnnotationRow, saved)
        return earlier

    def rename_annotations(self, new_ids: Mapping[str, str], annotator: str) -> None:
        """Give annotations to another person, all or nothing; whatever they say by now stays.

        Args:
            new_ids: By the ids that they have.
            annotator: Whose they are from now on.

        Raises:
            ConflictError: One of them is gone, or the place of one is taken: somebody judged in between.
        """
        rows = [{"old_id": old, "new_id": new, "whose": annotator} for old, new in new_ids.items()]
        conflict = ConflictError("somebody changed these verdicts in between; look at them again")
        with self._write(f"renaming {len(rows)} annotations") as connection:
            try:
                n = connection.execute(_RENAME, rows).rowcount if rows else 0
            except IntegrityError as e:
                raise conflict from e
            if n != len(rows):
                raise conflict

    def votes_on(self, pairs: Iterable[tuple[str, str]]) -> list[TimedVote]:
        """Return the reviewers' votes of any cycle on these pairs, in either order, by vote id."""
        wanted = {frozenset(pair) for pair in pairs}
        turn = aliased(InteractionRow)
        query: Select[Any] = select(
            VoteRow.judge,
            VoteRow.first_id,
            VoteRow.second_id,
            VoteRow.verdict,
            VoteRow.round,
            turn.latency_s,
        ).outerjoin(turn, turn.id == VoteRow.interaction_id)
        found: list[TimedVote] = []
        for some in chunks(sorted({i for pair in wanted for i in pair})):
            # By cycle, of which votes have an index.
            cycles = select(InteractionRow.cycle_id).where(InteractionRow.id.in_(some))
            on_these = query.where(VoteRow.cycle_id.in_(cycles), VoteRow.first_id.in_(some))
            found += records_of(TimedVote, self._read("reading votes", on_these.order_by(VoteRow.id)))
        return [vote for vote in found if frozenset((vote.first_id, vote.second_id)) in wanted]

    def annotators(self) -> dict[str, int]:
        """Return everybody who annotated, by name, and how many annotations each has."""
        query = select(AnnotationRow.annotator, func.count()).group_by(AnnotationRow.annotator)
        rows = self._read("reading annotators", query.order_by(AnnotationRow.annotator))
        return {row[0]: row[1] for row in rows}

    def goals_of_results(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the goal's id of each interaction that exists among `ids`."""
        query = select(InteractionRow.id, InteractionRow.goal_id)
        found: dict[str, str] = {}
        for some in chunks(sorted(set(ids))):
            rows = self._read("reading goals of results", query.where(InteractionRow.id.in_(some)))
            found |= {row[0]: row[1] for row in rows}
        return found
