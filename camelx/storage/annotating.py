"""The part of `Store` that the annotation queue stands on: leases, skips, verdicts that count once.

Every method is a few indexed statements, because people wait for them. What must not happen twice is decided
by one statement in the database, so that any number of apps may serve the same queue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Text, and_, bindparam, cast, delete, func, or_, select, text, update

from camelx.schemas import (
    Annotation,
    AnnotationFilter,
    Comparison,
    Given,
    Lease,
    RankedCycle,
    Skip,
    Stage,
    Vote,
)
from camelx.storage.database import Database
from camelx.storage.queries import annotation_query, columns
from camelx.storage.rows import insert_new, records_of, row_of
from camelx.storage.tables import (
    AnnotationLeaseRow,
    AnnotationRow,
    AnnotationSkipRow,
    AnnotationSubmissionRow,
    ComparisonRow,
    CycleRow,
    InteractionRow,
    StageReportRow,
    VoteRow,
)

_LEASE_COLUMNS = columns(AnnotationLeaseRow)
_TAKE = text(
    "INSERT INTO annotation_leases "
    "(id, cycle_id, item_key, annotator, repeat, submission_id, shown_at, expires_at) VALUES "
    "(:id, :cycle_id, :item_key, :annotator, :repeat, :submission_id, :shown_at, :expires_at) "
    "ON CONFLICT (id) DO UPDATE SET cycle_id = excluded.cycle_id, annotator = excluded.annotator, "
    "repeat = excluded.repeat, submission_id = excluded.submission_id, shown_at = excluded.shown_at, "
    "expires_at = excluded.expires_at "
    "WHERE annotation_leases.expires_at <= excluded.shown_at "
    "OR annotation_leases.annotator = excluded.annotator RETURNING id"
).bindparams(*(bindparam(column.name, type_=column.type) for column in _LEASE_COLUMNS))
"""Takes a lease that is free, expired or one's own, and returns nothing where somebody else holds it."""

_ANNOTATION_COLUMNS = columns(AnnotationRow)


class Annotating(Database):
    """Who has which pair before them, and what they made of it."""

    def ranked_cycles(self) -> list[RankedCycle]:
        """Return the cycles that have comparisons, the latest first."""
        has_any = select(ComparisonRow.cycle_id).where(ComparisonRow.cycle_id == CycleRow.id).exists()
        query = (
            select(CycleRow.id, CycleRow.number, StageReportRow.started_at, StageReportRow.seconds)
            .outerjoin(
                StageReportRow,
                and_(StageReportRow.cycle_id == CycleRow.id, StageReportRow.stage == Stage.RANK.value),
            )
            .where(has_any)
            .order_by(CycleRow.number.desc())
        )
        rows = self._read("reading the ranked cycles", query)
        return [RankedCycle(row[0], row[1], f"{row[2]} {row[3]}") for row in rows]

    def given_verdicts(self, cycle_id: str) -> list[Given]:
        """Return who judged which pair of the cycle, oldest first."""
        query = (
            select(
                AnnotationRow.first_id,
                AnnotationRow.second_id,
                AnnotationRow.annotator,
                AnnotationRow.repeat,
                AnnotationRow.adjudicated,
                AnnotationRow.verdict,
                AnnotationRow.created_at,
            )
            .join(InteractionRow, InteractionRow.id == AnnotationRow.first_id)
            .where(InteractionRow.cycle_id == cycle_id)
            .order_by(AnnotationRow.created_at, AnnotationRow.id)
        )
        return [Given(*row) for row in self._read("reading who judged what", query)]

    # Leases

    def leases(self, cycle_id: str, now: datetime) -> list[Lease]:
        """Return the leases of the cycle that hold at that moment, the oldest first."""
        query = select(*_LEASE_COLUMNS).where(
            AnnotationLeaseRow.cycle_id == cycle_id, AnnotationLeaseRow.expires_at > now
        )
        query = query.order_by(AnnotationLeaseRow.shown_at, AnnotationLeaseRow.id)
        return records_of(Lease, self._read("reading the leases", query))

    def take_lease(
        self, lease: Lease, pair: tuple[str, str], n_judges: int | None
    ) -> Literal["taken", "held", "judged"]:
        """Return what became of asking for a lease.

        "taken": it is the person's now. "held": somebody else has it. "judged": the person has judged the
        pair, or as many people as wanted have.

        Args:
            lease: What to take; it begins at `shown_at`.
            pair: The ids of the results that stand for the item.
            n_judges: How many people are wanted; None, or a repeat: that is not asked.
        """
        with self._write("taking a lease") as connection:
            if connection.execute(_TAKE, row_of(lease)).first() is None:
                return "held"
            if lease.repeat or n_judges is None:
                return "taken"
            # Asked after the lease is ours: a verdict that ended somebody's lease is seen by now.
            judges = set(connection.execute(_judges_of(pair)).scalars())
            if lease.annotator in judges or len(judges) >= n_judges:
                connection.execute(delete(AnnotationLeaseRow).where(AnnotationLeaseRow.id == lease.id))
                return "judged"
        return "taken"

    def renew_lease(self, lease_id: str, annotator: str, expires_at: datetime) -> bool:
        """Return whether the person still holds the lease, which then holds until `expires_at`."""
        mine = (AnnotationLeaseRow.id == lease_id, AnnotationLeaseRow.annotator == annotator)
        with self._write("renewing a lease") as connection:
            done = connection.execute(update(AnnotationLeaseRow).where(*mine).values(expires_at=expires_at))
        return bool(done.rowcount)

    def drop_leases(self, ids: Collection[str], annotator: str) -> None:
        """Give back these leases of the person."""
        with self._write("giving back leases") as connection:
            mine = (AnnotationLeaseRow.id.in_(sorted(ids)), AnnotationLeaseRow.annotator == annotator)
            connection.execute(delete(AnnotationLeaseRow).where(*mine))

    # Verdicts and skips

    def give_verdict(self, annotations: Sequence[Annotation], lease_id: str) -> bool:
        """Store the annotations of one verdict and end its lease; return whether it is a new one.

        An earlier verdict of the same person on the same pair is replaced. The same submission a second time
        changes nothing, also where its verdict was replaced or taken back in between.
        """
        annotator = annotations[0].annotator
        came = {
            "submission_id": annotations[0].submission_id,
            "annotator": annotator,
            "can_be_undone": True,
        }
        with self._write("saving a verdict") as connection:
            if not connection.execute(insert_new(AnnotationSubmissionRow), came).rowcount:
                return False
            # In one order, so that two verdicts on the same pairs don't wait for each other.
            in_order: list[Annotation] = sorted(annotations, key=lambda a: a.id)
            self._upsert(connection, AnnotationRow, in_order)
            mine = (AnnotationLeaseRow.id == lease_id, AnnotationLeaseRow.annotator == annotator)
            connection.execute(delete(AnnotationLeaseRow).where(*mine))
        return True

    def skip_item(self, skip: Skip, lease_id: str) -> None:
        """Note that the person passed the item by, and give back their lease on it."""
        with self._write("skipping an item") as connection:
            self._insert_new(connection, AnnotationSkipRow, [row_of(skip)])
            mine = (AnnotationLeaseRow.id == lease_id, AnnotationLeaseRow.annotator == skip.annotator)
            connection.execute(delete(AnnotationLeaseRow).where(*mine))

    def skips(self, cycle_id: str) -> list[Skip]:
        """Return what people passed by in the cycle, oldest first."""
        query = select(*columns(AnnotationSkipRow)).where(AnnotationSkipRow.cycle_id == cycle_id)
        query = query.order_by(AnnotationSkipRow.created_at, AnnotationSkipRow.item_key)
        return records_of(Skip, self._read("reading the skips", query))

    def forget_skips(self, annotator: str, cycle_id: str, item_key: str | None = None) -> int:
        """Open what the person passed by in the cycle, or one item, again; return how many these were."""
        those = [AnnotationSkipRow.annotator == annotator, AnnotationSkipRow.cycle_id == cycle_id]
        if item_key is not None:
            those.append(AnnotationSkipRow.item_key == item_key)
        with self._write("forgetting skips") as connection:
            return int(connection.execute(delete(AnnotationSkipRow).where(*those)).rowcount)

    def last_skip(self, annotator: str) -> Skip | None:
        """Return what the person passed by last."""
        query = select(*columns(AnnotationSkipRow)).where(AnnotationSkipRow.annotator == annotator)
        query = query.order_by(AnnotationSkipRow.created_at.desc()).limit(1)
        return next(iter(records_of(Skip, self._read("reading the last skip", query))), None)

    def submission(self, submission_id: str, annotator: str | None = None) -> list[Annotation]:
        """Return the annotations of one submission, of that person where given, by id."""
        query = select(*_ANNOTATION_COLUMNS).where(AnnotationRow.submission_id == submission_id)
        query = query if annotator is None else query.where(AnnotationRow.annotator == annotator)
        return records_of(Annotation, self._read("reading a submission", query.order_by(AnnotationRow.id)))

    def annotations_of_submissions(self, submission_ids: Iterable[str]) -> list[Annotation]:
        """Return the annotations of all these submissions."""
        query = select(*_ANNOTATION_COLUMNS).order_by(AnnotationRow.created_at, AnnotationRow.id)
        return self._by_ids(Annotation, query, AnnotationRow.submission_id, submission_ids)

    def last_submission(self, annotator: str) -> list[Annotation]:
        """Return the annotations that the person's last verdict on an item made; none: they gave none.

        What was imported, settled or given in a session was not given on an item.
        """
        came = and_(
            AnnotationSubmissionRow.submission_id == AnnotationRow.submission_id,
            AnnotationSubmissionRow.annotator == AnnotationRow.annotator,
            AnnotationSubmissionRow.can_be_undone,
        )
        query = (
            select(AnnotationRow.submission_id)
            .join(AnnotationSubmissionRow, came)
            .where(AnnotationRow.annotator == annotator, AnnotationRow.adjudicated.is_(False))
            .order_by(AnnotationRow.created_at.desc(), AnnotationRow.id)
            .limit(1)
        )
        found = self._read("reading the last verdict", query)
        return self.submission(found[0][0], annotator) if found else []

    # Reading annotations

    def annotation(self, annotation_id: str) -> Annotation | None:
        """Return one annotation."""
        query = select(*_ANNOTATION_COLUMNS).where(AnnotationRow.id == annotation_id)
        return next(iter(records_of(Annotation, self._read("reading an annotation", query))), None)

    def annotation_page(
        self, wanted: AnnotationFilter, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> list[Annotation]:
        """Return annotations that are meant, the newest first.

        Args:
            wanted: Which are meant.
            before: Moment and id of the last annotation that was seen: go on behind it.
            limit: At most so many.
        """
        query = annotation_query(wanted)
        if before is not None:
            at, last_id = before
            same_moment = and_(AnnotationRow.created_at == at, AnnotationRow.id < last_id)
            query = query.where(or_(AnnotationRow.created_at < at, same_moment))
        query = query.order_by(AnnotationRow.created_at.desc(), AnnotationRow.id.desc()).limit(limit)
        return records_of(Annotation, self._read("reading annotations", query))

    def verdicts_by_day(self, annotator: str) -> dict[str, int]:
        """Return how many verdicts the person gave on each day of UTC ("2026-03-01"), the last day first."""
        moment: Any = AnnotationRow.created_at
        if self._engine.dialect.name == "postgresql":
            moment = func.timezone("UTC", moment)
        day = func.substr(cast(moment, Text), 1, 10)
        one = func.coalesce(AnnotationRow.submission_id, AnnotationRow.id)
        query = (
            select(day, func.count(one.distinct()))
            .where(AnnotationRow.annotator == annotator)
            .group_by(day)
            .order_by(day.desc())
        )
        return {row[0]: row[1] for row in self._read("counting verdicts", query)}

    def last_durations(self, annotator: str, n: int, *, below: float) -> list[float]:
        """Return how many seconds each of the person's last verdicts took, the last one first.

        Args:
            annotator: The person.
            n: At most so many verdicts; one on several pairs of the same texts is one.
            below: Leave out those that took as long or longer.
        """
        query = (
            select(func.max(AnnotationRow.duration_s))
            .where(AnnotationRow.annotator == annotator, AnnotationRow.duration_s < below)
            .group_by(func.coalesce(AnnotationRow.submission_id, AnnotationRow.id))
            .order_by(func.max(AnnotationRow.created_at).desc())
            .limit(n)
        )
        return [row[0] for row in self._read("reading durations", query)]

    # What the agents said

    def comparison(self, cycle_id: str, pair: tuple[str, str]) -> Comparison | None:
        """Return the comparison of two results of the cycle."""
        first, second = sorted(pair)
        query = select(*columns(ComparisonRow)).where(
            ComparisonRow.cycle_id == cycle_id,
            ComparisonRow.first_id == first,
            ComparisonRow.second_id == second,
        )
        return next(iter(records_of(Comparison, self._read("reading a comparison", query))), None)

    def votes_by_id(self, ids: Iterable[str]) -> list[Vote]:
        """Return the votes that exist among `ids`, by id."""
        found = self._by_ids(Vote, select(*columns(VoteRow)), VoteRow.id, ids)
        return sorted(found, key=lambda vote: vote.id)


def _judges_of(pair: tuple[str, str]) -> Any:
    first, second = pair
    way = or_(
        and_(AnnotationRow.first_id == first, AnnotationRow.second_id == second),
        and_(AnnotationRow.first_id == second, AnnotationRow.second_id == first),
    )
    return select(AnnotationRow.annotator).where(
        way, AnnotationRow.repeat == 0, AnnotationRow.adjudicated.is_(False)
    )
