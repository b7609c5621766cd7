"""Which cycle is queued, who started it and what runs it: the part of `Store` that starts and stops cycles.

At most one cycle is queued or running, because each starts from the champion of the one before. The row of
the latest cycle is locked while that is looked at, so that of two requests at once one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from camelx.errors import ConflictError
from camelx.schemas import Cycle, CycleStatus, Launch, Stage, StageReport
from camelx.storage.database import Database
from camelx.storage.queries import columns, cycle_query
from camelx.storage.rows import records_of, row_of
from camelx.storage.tables import CycleRow, InteractionRow, LaunchRow, StageReportRow, VoteRow

_ACTIVE = (CycleStatus.QUEUED.value, CycleStatus.RUNNING.value)


class Launches(Database):
    """Cycles as something that is started, watched and stopped."""

    def queue_cycle(
        self, make: Callable[[int], Cycle], *, requested_by: str, ended: Collection[str] = ()
    ) -> Cycle:
        """Store the cycle that `make` makes of the next number, and who asked for it.

        Args:
            make: From a number to the record of a queued cycle.
            requested_by: Who asks.
            ended: Cycles that are marked running though their process is gone: they are in nobody's way.

        Raises:
            ConflictError: Another cycle is queued or runs.
        """
        with self._write("queueing a cycle") as connection:
            number = int(connection.scalar(select(func.max(CycleRow.number))) or 0) + 1
            _refuse_second(connection, ended)
            cycle = make(number)
            try:
                connection.execute(insert(CycleRow), row_of(cycle))
            except IntegrityError:
                raise ConflictError("another cycle was started at the same moment; look at it") from None
            self._upsert(connection, LaunchRow, [Launch(cycle_id=cycle.id, requested_by=requested_by)])
        return cycle

    def queue_again(self, cycle_id: str, *, requested_by: str, ended: Collection[str] = ()) -> None:
        """Queue a cycle that ended, to be gone on with.

        Raises:
            ConflictError: A cycle is queued or runs, this one or another.
        """
        with self._write(f"queueing cycle {cycle_id}") as connection:
            _refuse_second(connection, ended)
            mine = update(CycleRow).where(CycleRow.id == cycle_id)
            connection.execute(mine.values(status=CycleStatus.QUEUED.value, error=None, finished_at=None))
            self._upsert(connection, LaunchRow, [Launch(cycle_id=cycle_id, requested_by=requested_by)])

    def move_cycle(
        self, cycle_id: str, *, was: Collection[CycleStatus], status: CycleStatus, **fields: Any
    ) -> bool:
        """Give a cycle another status where it has one of `was`, and return whether it had."""
        known = [one.value for one in was]
        mine = update(CycleRow).where(CycleRow.id == cycle_id, CycleRow.status.in_(known))
        with self._write(f"updating cycle {cycle_id}") as connection:
            done = connection.execute(mine.values(status=status.value, **fields))
            return bool(done.rowcount)

    def launch(self, cycle_id: str) -> Launch | None:
        """Return the latest start of a cycle; None: it was made by an earlier version, or imported."""
        query = select(*columns(LaunchRow)).where(LaunchRow.cycle_id == cycle_id)
        found = self._read(f"reading the start of cycle {cycle_id}", query)
        return next(iter(records_of(Launch, found)), None)

    def save_launch(self, launch: Launch) -> None:
        """Store or replace the latest start of a cycle."""
        self._save(f"saving the start of cycle {launch.cycle_id}", LaunchRow, [launch])

    def note_launch(self, cycle_id: str, **fields: Any) -> None:
        """Change fields of the latest start of a cycle."""
        mine = update(LaunchRow).where(LaunchRow.cycle_id == cycle_id)
        with self._write(f"saving the start of cycle {cycle_id}") as connection:
            connection.execute(mine.values(**fields))

    def ask_to_cancel(self, cycle_id: str, *, at: datetime, again_before: datetime) -> bool:
        """Note that somebody asked the cycle to stop; False: somebody did since `again_before`."""
        asked = LaunchRow.cancel_asked_at
        mine = update(LaunchRow).where(
            LaunchRow.cycle_id == cycle_id, or_(asked.is_(None), asked < again_before)
        )
        with self._write(f"cancelling cycle {cycle_id}") as connection:
            return bool(connection.execute(mine.values(cancel_asked_at=at)).rowcount)

    def active_cycles(self) -> list[Cycle]:
        """Return the cycles that are marked queued or running, by number."""
        query = select(*columns(CycleRow)).where(CycleRow.status.in_(_ACTIVE)).order_by(CycleRow.number)
        return records_of(Cycle, self._read("reading active cycles", query))

    def cycles_page(
        self, *, limit: int, before: int | None = None, status: CycleStatus | None = None
    ) -> list[Cycle]:
        """Return at most `limit` cycles, newest first, whose number is below `before`."""
        query = cycle_query().order_by(CycleRow.number.desc()).limit(limit)
        query = query if before is None else query.where(CycleRow.number < before)
        query = query if status is None else query.where(CycleRow.status == status.value)
        return records_of(Cycle, self._read("reading cycles", query))

    def counts_of(self, cycle_id: str) -> dict[str, int]:
        """Return how many interactions and votes a cycle has so far, those of its hold-out too."""
        asked = select(func.count()).where(InteractionRow.cycle_id == cycle_id).scalar_subquery()
        judged = select(func.count()).where(VoteRow.cycle_id == cycle_id).scalar_subquery()
        (row,) = self._read(f"counting in cycle {cycle_id}", select(asked.label("a"), judged.label("j")))
        return {"interactions": row.a, "votes": row.j}

    def reports_of(self, cycle_ids: Iterable[str]) -> dict[str, dict[Stage, StageReport]]:
        """Return the stage reports of several cycles, each cycle's in the order of the stages."""
        ids = list(cycle_ids)
        query = select(*columns(StageReportRow))
        found = self._by_ids(StageReport, query, StageReportRow.cycle_id, ids)
        by_key = {(report.cycle_id, report.stage): report for report in found}
        return {id: {stage: by_key[id, stage] for stage in Stage if (id, stage) in by_key} for id in ids}


def _refuse_second(connection: Connection, ended: Collection[str]) -> None:
    """Raise where a cycle is queued or runs; what else asks at this moment waits for the transaction."""
    connection.execute(select(CycleRow.id).order_by(CycleRow.number.desc()).limit(1).with_for_update())
    active = select(CycleRow.id, CycleRow.status).where(CycleRow.status.in_(_ACTIVE))
    for row in connection.execute(active):
        if row.id not in ended:
            raise ConflictError(
                f"cycle {row.id} is {row.status}; a cycle starts from the champion of the one before, so "
                "only one runs at a time: wait for it, or cancel it"
            )
