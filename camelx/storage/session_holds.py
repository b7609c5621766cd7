"""The part of `Store` that says which app has a live session open: no two at once, none for ever."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, select, text, update

from camelx.schemas import SessionHold, utc_now
from camelx.storage.database import Database
from camelx.storage.queries import columns
from camelx.storage.rows import records_of, row_of
from camelx.storage.tables import LiveSessionRow, SessionHoldRow

_TAKE = text(
    "INSERT INTO session_holds (session_id, holder, host, pid, process_began, until) "
    "VALUES (:session_id, :holder, :host, :pid, :process_began, :until) "
    "ON CONFLICT (session_id) DO UPDATE SET holder = excluded.holder, host = excluded.host, "
    "pid = excluded.pid, process_began = excluded.process_began, until = excluded.until "
    "WHERE session_holds.until <= :now OR session_holds.holder IN (excluded.holder, :gone) "
    "RETURNING session_id"
).bindparams(
    *(bindparam(column.name, type_=column.type) for column in columns(SessionHoldRow)),
    bindparam("now", type_=SessionHoldRow.until.type),
)
"""Takes a hold that is free, over, one's own or of an app that is gone; returns nothing where it is held."""


class SessionHolds(Database):
    """Which app has which session open."""

    def take_session_hold(self, hold: SessionHold, *, now: datetime, gone: str = "") -> bool:
        """Return whether the session is the app's from now on.

        Args:
            hold: What to take.
            now: A hold of another app that ends before this is over.
            gone: An app that is known to have ended, whatever its hold says.
        """
        with self._write(f"taking session {hold.session_id}") as connection:
            found = connection.execute(_TAKE, {**row_of(hold), "now": now, "gone": gone})
            return found.first() is not None

    def session_hold(self, session_id: str) -> SessionHold | None:
        """Return who has the session open, or had when their app ended; None: nobody."""
        query = select(*columns(SessionHoldRow)).where(SessionHoldRow.session_id == session_id)
        return next(iter(records_of(SessionHold, self._read("reading who has a session open", query))), None)

    def renew_session_holds(self, holder: str, until: datetime) -> None:
        """Let all of an app's holds last until then."""
        mine = update(SessionHoldRow).where(SessionHoldRow.holder == holder)
        with self._write("renewing the holds on sessions") as connection:
            connection.execute(mine.values(until=until))

    def leave_session(self, session_id: str, holder: str) -> None:
        """End the app's hold, and mark the session as ended; one that another app has taken is left alone.

        What it waited for stays: one that failed while agents were answering is told so when it is reopened.
        """
        mine = (SessionHoldRow.session_id == session_id, SessionHoldRow.holder == holder)
        ended = update(LiveSessionRow).where(
            LiveSessionRow.id == session_id, LiveSessionRow.status != "deleted"
        )
        with self._write(f"leaving session {session_id}") as connection:
            if connection.execute(delete(SessionHoldRow).where(*mine)).rowcount:
                connection.execute(ended.values(status="ended", updated_at=utc_now()))
