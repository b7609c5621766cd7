"""The part of `Store` that holds live sessions: who talks with whom, and what happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Connection

from camelx.errors import ConflictError, NotFoundError
from camelx.schemas import (
    LIVE_CYCLE,
    Annotation,
    Cycle,
    CycleStatus,
    Goal,
    Interaction,
    LiveSession,
    SessionEvent,
    SessionPhase,
    utc_now,
)
from camelx.storage.database import Database
from camelx.storage.queries import columns
from camelx.storage.rows import readable_of, records_of, row_of
from camelx.storage.tables import (
    AnnotationRow,
    CycleRow,
    GoalRow,
    InteractionRow,
    LiveSessionRow,
    SessionEventRow,
    SessionHoldRow,
)


class LiveSessions(Database):
    """Live sessions, by record."""

    def add_live_session(self, session: LiveSession) -> None:
        """Store a new session; the first one makes the cycle that all sessions' interactions belong to."""
        live = Cycle(
            id=LIVE_CYCLE,
            number=0,
            origin="session",
            status=CycleStatus.COMPLETED,
            config=session.config,
            trace_id=LIVE_CYCLE,
        )
        with self._write(f"adding session {session.id}") as connection:
            self._insert_new(connection, CycleRow, [row_of(live)])
            connection.execute(insert(LiveSessionRow), row_of(session))

    def live_session(self, session_id: str) -> LiveSession:
        """Return one session.

        Raises:
            NotFoundError: There is none of this id, or it was deleted.
        """
        query = select(*columns(LiveSessionRow)).where(
            LiveSessionRow.id == session_id, LiveSessionRow.status != "deleted"
        )
        found = records_of(LiveSession, self._read(f"reading session {session_id}", query))
        if not found:
            raise NotFoundError(f"there is no live session {session_id!r}; it may have been deleted")
        return found[0]

    def live_sessions(self, *, owner: str | None = None, limit: int = 100) -> list[LiveSession]:
        """Return the sessions of a person, or of everybody, the latest first."""
        query = select(*columns(LiveSessionRow)).where(LiveSessionRow.status != "deleted")
        query = query if owner is None else query.where(LiveSessionRow.owner == owner)
        query = query.order_by(LiveSessionRow.updated_at.desc(), LiveSessionRow.id).limit(limit)
        return records_of(LiveSession, self._read("reading sessions", query))

    def live_sessions_by_id(self, ids: Iterable[str]) -> dict[str, LiveSession]:
        """Return the sessions that exist among `ids`, deleted ones too: their picks still count."""
        query = select(*columns(LiveSessionRow))
        return {found.id: found for found in self._by_ids(LiveSession, query, LiveSessionRow.id, ids)}

    def update_live_session(self, session_id: str, **fields: Any) -> None:
        """Change fields of a session."""
        row = update(LiveSessionRow).where(LiveSessionRow.id == session_id)
        with self._write(f"updating session {session_id}") as connection:
            connection.execute(row.values(**{"updated_at": utc_now(), **fields}))

    def append_session_events(
        self,
        events: Sequence[SessionEvent],
        *,
        phase: SessionPhase,
        title: str | None = None,
        goals: Iterable[Goal] = (),
        interactions: Iterable[Interaction] = (),
        annotations: Iterable[Annotation] = (),
        holder: str | None = None,
    ) -> None:
        """Store what happened in one session and what it made, all or nothing.

        Args:
            events: Of one session, with its next numbers.
            phase: What the session waits for from then on.
            title: Its name from then on; None: as it is.
            goals: What the interactions work on; those that are there stay as they are.
            interactions: What agents, or a person in their place, said.
            annotations: What the person said of them.
            holder: The app that has the session open; None: that is not asked.

        Raises:
            ConflictError: Another app has taken the session.
            StorageError: A number is taken.
        """
        session_id = events[0].session_id
        fields: dict[str, Any] = {"phase": phase, "updated_at": events[-1].at}
        fields |= {} if title is None else {"title": title}
        with self._write(f"saving what happened in session {session_id}") as connection:
            if holder is not None:
                _check_hold(connection, session_id, holder)
            self._insert_new(connection, GoalRow, [row_of(goal) for goal in goals])
            self._upsert(connection, InteractionRow, interactions)
            self._upsert(connection, AnnotationRow, annotations)
            connection.execute(insert(SessionEventRow), [row_of(event) for event in events])
            mine = update(LiveSessionRow).where(LiveSessionRow.id == session_id)
            connection.execute(mine.values(**fields))

    def session_events(
        self, session_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[SessionEvent]:
        """Return what happened in a session after event number `after`, in order.

        One that this version can't read is left out.
        """
        query = select(*columns(SessionEventRow)).where(
            SessionEventRow.session_id == session_id, SessionEventRow.seq > after
        )
        rows = self._read(
            f"reading the events of session {session_id}", query.order_by(SessionEventRow.seq).limit(limit)
        )
        return readable_of(SessionEvent, rows, lambda row: f"event {row.seq} of session {session_id}")

    def last_session_event(self, session_id: str) -> int:
        """Return the number of the last event of a session, readable or not; 0: there is none."""
        query = select(func.max(SessionEventRow.seq)).where(SessionEventRow.session_id == session_id)
        return int(self._read(f"reading the events of session {session_id}", query)[0][0] or 0)

    def delete_live_session(self, session_id: str, *, interactions: Iterable[Interaction] = ()) -> None:
        """Forget what was said in a session; an app that still has it open writes nothing into it any more.

        Its interactions and picks stay, as those of cycles do, and with them the row that says whose policy
        they are about.

        Args:
            session_id: The session.
            interactions: Those that were held back so far.
        """
        with self._write(f"deleting session {session_id}") as connection:
            connection.execute(delete(SessionHoldRow).where(SessionHoldRow.session_id == session_id))
            self._upsert(connection, InteractionRow, interactions)
            connection.execute(delete(SessionEventRow).where(SessionEventRow.session_id == session_id))
            mine = update(LiveSessionRow).where(LiveSessionRow.id == session_id)
            connection.execute(mine.values(status="deleted", title="", phase="listening"))


def _check_hold(connection: Connection, session_id: str, holder: str) -> None:
    """Make sure that the app has the session open, and that no other takes it before this is stored.

    Raises:
        ConflictError: Another app has taken it.
    """
    mine = (SessionHoldRow.session_id == session_id, SessionHoldRow.holder == holder)
    if connection.execute(update(SessionHoldRow).where(*mine).values(holder=holder)).rowcount != 1:
        raise ConflictError(
            f"session {session_id} was taken over by another app when this one gave no sign of life; go on "
            "there"
        )
