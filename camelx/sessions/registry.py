"""`SessionRegistry`: all live sessions of one app; those that run, and those that can be reopened.

In: who asks (a `Principal`) and what they want. Out: sessions, views of them, and errors where a session is
not theirs. At most `most` run at once: for a new one the one that has been silent longest is ended, which
loses nothing. Owned by the app's workspace; called by routes, the WebSocket and the page.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from camelx.agents import SharedEngines
from camelx.config import Settings, parse_config
from camelx.errors import AccessError, ConflictError, NotFoundError
from camelx.schemas import (
    AccessRole,
    LiveSession,
    Principal,
    Record,
    SessionMode,
    SessionView,
)
from camelx.sessions.casting import Casting, session_config
from camelx.sessions.holding import LASTS_S, Holds
from camelx.sessions.holding_back import held_back
from camelx.sessions.inputs import Edit, Input, Pick
from camelx.sessions.open_session import Audience, OpenSession, Watcher
from camelx.storage import Store

MOST_SESSIONS = 64
IDLE_S = 30 * 60.0
STOPPED = "the app was stopped; the session can be reopened"


class SessionRequest(Record):
    """What a new session is to be."""

    mode: SessionMode = "team"
    versions: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = Field(
        default=(), max_length=2
    )
    """Who answers: "champion", "challenger", "base", "name/3", or an agent on a server of its own. One, or
    two in mode ab; none: the champion (the base where there is none), in mode ab against the challenger."""
    has_review: bool = False
    """Whether a PeerReviewer comments on each result; not in mode ab."""
    backend: Literal["camel", "langroid"] = "camel"


class SessionRegistry:
    """The live sessions of one app; may be used from several threads."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        engines: SharedEngines,
        *,
        most: int = MOST_SESSIONS,
        idle_s: float = IDLE_S,
        hold_s: float = LASTS_S,
        audit: Callable[[Principal, str, str], object] | None = None,
    ) -> None:
        """Take the database and where configs and versions are found.

        Args:
            store: Where sessions are kept.
            settings: Of the app.
            engines: Where models are loaded; whoever made them closes them after this.
            most: Sessions that run at once.
            idle_s: Seconds without a word after which a session ends.
            hold_s: Seconds after which another app may open what this one had open when it was killed.
            audit: Called with who, what and which session, for what is a judgement or ends something.
        """
        self._store, self._settings, self._most, self._idle_s = store, settings, most, idle_s
        self._running: dict[str, OpenSession] = {}
        self._audiences: dict[str, Audience] = {}
        self._audit = audit
        self._engines = engines
        self._lock = threading.RLock()
        self._holds = Holds(store, lasts_s=hold_s)
        self._is_closed = False

    def choices(self) -> list[str]:
        """Return what may answer in a new session: versions of the policy, and agents on servers.

        Raises:
            ConfigError: There is no config to take agents from.
            RegistryError: MLflow can't be reached.
        """
        return Casting(session_config(self._settings, self._store), self._settings).choices()

    def create(self, principal: Principal, request: SessionRequest) -> LiveSession:
        """Begin a session and return it.

        Raises:
            ConfigError: There is no config, or no such version or agent.
            ConflictError: Too many sessions run, and all of them are answering.
            RegistryError: MLflow can't be reached.
        """
        config = session_config(self._settings, self._store)
        casting = Casting(config, self._settings)
        session = LiveSession(
            id=secrets.token_hex(12),
            owner=principal.name,
            mode=request.mode,
            backend=request.backend,
            has_review=request.has_review and request.mode != "ab",
            versions=casting.resolved(request.mode, request.versions),
            policy_name=config.policy.name,
            policy_base=config.policy.base,
            config=config.model_dump(mode="json"),
        )
        with self._lock:
            self._make_room()
            self._check_can_start(session)
            self._store.add_live_session(session)
            self._holds.take(session.id)
            self._start(session)
        return session

    def sessions(self, principal: Principal, *, limit: int = 100) -> list[LiveSession]:
        """Return the person's sessions, the latest first; an admin sees everybody's."""
        owner = None if principal.role.includes(AccessRole.ADMIN) else principal.name
        found = self._store.live_sessions(owner=owner, limit=limit)
        return [_at_rest(session) if session.status == "ended" else session for session in found]

    def is_running(self, session_id: str) -> bool:
        """Whether the session's thread runs."""
        found = self._running.get(session_id)
        return found is not None and found.is_running

    def view(self, principal: Principal, session_id: str, *, after: int = 0) -> SessionView:
        """Return a session as it is now, with its events after number `after`.

        Raises:
            NotFoundError: There is none of this id that they may see.
        """
        session = self._readable(principal, session_id)
        found = self._running.get(session_id)
        if found is not None and found.is_running:
            return found.view(after=after)
        events = tuple(self._store.session_events(session_id, after=after))
        is_elsewhere = session.status == "active" and self._holds.elsewhere(session_id) is not None
        return SessionView(session=session if is_elsewhere else _at_rest(session), events=events)

    def watch(
        self, principal: Principal, session_id: str, watcher: Watcher, *, after: int = 0
    ) -> tuple[SessionView, Callable[[], None]]:
        """Return a session as it is now and what ends watching; one that has ended is not opened for this.

        What happens from then on is told to the watcher, without a gap and nothing twice, also after the
        session has ended and was reopened.

        Raises:
            NotFoundError: There is none of this id that they may see.
        """
        self._readable(principal, session_id)
        with self._lock:
            audience = self._audiences.setdefault(session_id, Audience())
            found = self._running.get(session_id)
            with audience.lock:
                if found is not None and not found.is_over:
                    view = found.watch(watcher, after=after)
                else:
                    view = self.view(principal, session_id, after=after)
                    audience.watchers.append(watcher)
        return view, lambda: audience.leave(watcher)

    def send(self, principal: Principal, session_id: str, sent: Input) -> None:
        """Hand on what the owner sent; an ended session is reopened first.

        Raises:
            NotFoundError: There is none of this id that they may see.
            AccessError: It is somebody else's.
            ConflictError: The session waits for something else, is still ending, or is open in another app.
        """
        self._opened(self._own(principal, session_id)).send(sent)
        if isinstance(sent, Pick | Edit):
            self._say_who(principal, f"session.{sent.type}", session_id)

    def reopen(self, principal: Principal, session_id: str) -> LiveSession:
        """Start the thread of an ended session, and return it; one that runs stays as it is.

        Raises:
            NotFoundError: There is none of this id that they may see.
            AccessError: It is somebody else's.
            ConflictError: Too many sessions run, or it is still ending, or open in another app.
        """
        self._opened(self._own(principal, session_id))
        return self._store.live_session(session_id)

    def end(self, principal: Principal, session_id: str) -> LiveSession:
        """End a session, which can be reopened, and return it.

        Raises:
            NotFoundError: There is none of this id that they may see.
            AccessError: It is somebody else's.
            ConflictError: It is open in another app.
        """
        self._own(principal, session_id)
        found = self._running.get(session_id)
        if found is not None:
            # It stays among those that run until it has written its last: who reopens it waits for that.
            found.end("it was closed; it can be reopened")
            with self._lock:
                if self._running.get(session_id) is found and found.is_over:
                    del self._running[session_id]
        self._holds.check(session_id)
        if found is None:
            self._store.update_live_session(session_id, status="ended")
        return self._store.live_session(session_id)

    def delete(self, principal: Principal, session_id: str) -> None:
        """Forget what was said in a session; its picks still count.

        Raises:
            NotFoundError: There is none of this id that they may see.
            AccessError: It is somebody else's.
            ConflictError: It is open in another app.
        """
        self.end(principal, session_id)
        held = held_back(self._store.session_events(session_id))
        self._store.delete_live_session(session_id, interactions=held.values())
        self._say_who(principal, "session.delete", session_id)

    def close(self) -> None:
        """End all sessions, together."""
        with self._lock:
            self._is_closed = True
            running, self._running = list(self._running.values()), {}
        for session in running:
            session.end(STOPPED, wait=False)
        for session in running:
            session.end(STOPPED)
        self._holds.close()

    # --- inside

    def _say_who(self, principal: Principal, action: str, session_id: str) -> None:
        if self._audit is not None:
            self._audit(principal, action, session_id)

    def _readable(self, principal: Principal, session_id: str) -> LiveSession:
        session = self._store.live_session(session_id)
        if session.owner != principal.name and not principal.role.includes(AccessRole.ADMIN):
            raise NotFoundError(f"there is no live session {session_id!r}; it may have been deleted")
        return session

    def _own(self, principal: Principal, session_id: str) -> LiveSession:
        session = self._readable(principal, session_id)
        if session.owner != principal.name:
            raise AccessError(
                f"session {session_id} is {session.owner}'s; only they can speak in it or end it"
            )
        return session

    def _opened(self, session: LiveSession) -> OpenSession:
        with self._lock:
            found = self._running.get(session.id)
            if found is not None and found.is_running:
                return found
            if found is not None:
                found.end("")  # it is ending: what it writes last must not come after what follows
                if not found.is_over:
                    raise ConflictError(
                        f"session {session.id} is still ending: it waits for a model that does not stop; "
                        "try again in a moment"
                    )
            self._make_room(beside=session.id)
            self._check_can_start(session)
            self._holds.take(session.id)
            self._store.update_live_session(session.id, status="active")
            return self._start(self._store.live_session(session.id))

    def _check_can_start(self, session: LiveSession) -> None:
        if self._is_closed:
            raise ConflictError("the app is stopping; no session can be opened")
        parse_config(session.config)  # one that does not fit is told at once

    def _start(self, session: LiveSession) -> OpenSession:
        watched = {i: a for i, a in self._audiences.items() if a.watchers or i in self._running}
        audience = watched.setdefault(session.id, Audience())
        self._audiences = watched
        made = OpenSession(
            session,
            self._store,
            self._settings,
            self._engines,
            audience,
            holder=self._holds.holder,
            idle_s=self._idle_s,
        )
        self._running[session.id] = made
        return made

    def _make_room(self, beside: str = "") -> None:
        """End the session that was silent longest where the most run that may.

        Raises:
            ConflictError: All of them are answering.
        """
        self._running = {i: s for i, s in self._running.items() if not s.is_over or i == beside}
        running = [s for i, s in self._running.items() if s.is_running and i != beside]
        if len(running) < self._most:
            return
        silent = [s for s in running if s.phase != "busy"]
        if not silent:
            raise ConflictError(
                f"{self._most} sessions run and all of them are answering; try again in a moment"
            )
        longest = min(silent, key=lambda s: s.last_heard)
        longest.end("other sessions needed its place; it can be reopened")


def _at_rest(session: LiveSession) -> LiveSession:
    """Return a session that does not run as that, whatever an app that was killed left of it."""
    phase = "listening" if session.phase == "busy" else session.phase
    return session.model_copy(update={"phase": phase, "status": "ended"})
