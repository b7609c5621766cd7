"""One app per live session: two would answer the same words, and number what happened alike.

In: the sessions that this app opens. Out: a hold on each in the database, which a thread puts off for as long
as the app lives. An app that crashed loses its holds: at once on its own machine, where its process can be
seen to be gone, else when they run out. Whatever writes to a session checks its hold in the same transaction,
so that an app that was only asleep does no harm when it wakes up. Used by `camelx.sessions.registry`.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import ExitStack
from datetime import timedelta

from camelx.errors import ConflictError
from camelx.runtime.processes import began_at, is_alive
from camelx.runtime.repeating import repeated
from camelx.schemas import SessionHold, utc_now
from camelx.storage import Store

LASTS_S = 60.0
_RENEWALS = 6
"""How often a hold is renewed before it would run out."""


class Holds:
    """The sessions that this app has open; may be used from several threads."""

    def __init__(self, store: Store, *, lasts_s: float = LASTS_S) -> None:
        """Take the database.

        Args:
            store: Where apps see each other's holds.
            lasts_s: Seconds after which a hold that is not renewed runs out.
        """
        self.holder = secrets.token_hex(8)
        self._store, self._lasts_s = store, lasts_s
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._began = began_at(self._pid)
        self._renewing = ExitStack()
        self._lock = threading.Lock()
        self._is_renewed = False

    def take(self, session_id: str) -> None:
        """Make sure that no other app opens the session.

        Raises:
            ConflictError: Another one has it open.
        """
        found = self._store.session_hold(session_id)
        gone = found.holder if found is not None and self._is_gone(found) else ""
        if not self._store.take_session_hold(self._hold_on(session_id), now=utc_now(), gone=gone):
            raise self.refusal(session_id)
        with self._lock:
            if not self._is_renewed:
                self._is_renewed = True
                self._renewing.enter_context(
                    repeated(self._renew, self._lasts_s / _RENEWALS, "renewing the holds on sessions")
                )

    def elsewhere(self, session_id: str) -> SessionHold | None:
        """Return the hold of another app that has the session open; None: none has."""
        found = self._store.session_hold(session_id)
        if found is None or found.holder == self.holder or self._is_gone(found):
            return None
        return found

    def check(self, session_id: str) -> None:
        """Make sure that no other app has the session open at this moment.

        Raises:
            ConflictError: One has.
        """
        if self.elsewhere(session_id) is not None:
            raise self.refusal(session_id)

    def refusal(self, session_id: str) -> ConflictError:
        """Return what is said to whoever wants a session that another app has open."""
        found = self._store.session_hold(session_id)
        where = f" (process {found.pid} on {found.host})" if found is not None else ""
        return ConflictError(
            f"session {session_id} is open in another app of camelx{where}; go on there, or close it there. "
            f"It is also free once nobody has said anything for a while, or {self._lasts_s:.0f} s after that "
            "app was ended by force"
        )

    def close(self) -> None:
        """Renew no hold any more."""
        self._renewing.close()

    # --- inside

    def _hold_on(self, session_id: str) -> SessionHold:
        return SessionHold(
            session_id=session_id,
            holder=self.holder,
            host=self._host,
            pid=self._pid,
            process_began=self._began,
            until=utc_now() + timedelta(seconds=self._lasts_s),
        )

    def _is_gone(self, hold: SessionHold) -> bool:
        """Whether the app that held it has ended, or gave no sign of life for too long."""
        is_here = hold.host == self._host
        return hold.until <= utc_now() or (is_here and not is_alive(hold.pid, hold.process_began))

    def _renew(self) -> None:
        self._store.renew_session_holds(self.holder, utc_now() + timedelta(seconds=self._lasts_s))
