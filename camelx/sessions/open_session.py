"""A session that runs: its thread, its event loop, what is said in it right now, and who watches.

In: what the person sends, from any thread. Out: events and pieces of answers to whoever watches. The thread
runs one loop from the session's opening to its end; the end leaves everything that is needed to open it again
in the database. Made by `camelx.sessions.registry`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from camelx.agents import SharedEngines
from camelx.config import Settings, parse_config
from camelx.errors import CamelxError, ConflictError, OrchestrationError, boundary
from camelx.schemas import (
    LiveSession,
    SessionEvent,
    SessionPhase,
    SessionState,
    SessionStream,
    SessionView,
)
from camelx.sessions.casting import Casting
from camelx.sessions.conversation import Conversation
from camelx.sessions.holding_back import held_back
from camelx.sessions.inputs import ALLOWED, WAITS_FOR, Input, Interject, Stop
from camelx.sessions.remembering import memories, unfinished_pair
from camelx.sessions.stage import PlayedOn
from camelx.storage import Store

log = logging.getLogger(__name__)

Shown = SessionEvent | SessionStream | SessionState
Watcher = Callable[[Shown], None]
"""Called with what happens, by one thread at a time; must return at once and raise nothing."""

_STREAM_EVERY_S = 0.05
"""Pieces of an answer are told in batches: a model may make a thousand a second."""
_JOIN_S = 30.0


class Audience:
    """Who watches one session, whether it runs or not; whoever tells or joins holds the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.watchers: list[Watcher] = []

    def tell(self, shown: Shown) -> None:
        """Tell all who watch."""
        with self.lock:
            for watcher in self.watchers:
                watcher(shown)

    def leave(self, watcher: Watcher) -> None:
        """Tell this one no more."""
        with self.lock:
            if watcher in self.watchers:
                self.watchers.remove(watcher)


class OpenSession:
    """A session whose thread runs."""

    def __init__(
        self,
        session: LiveSession,
        store: Store,
        settings: Settings,
        engines: SharedEngines,
        audience: Audience,
        *,
        holder: str,
        idle_s: float,
    ) -> None:
        """Start the thread.

        Args:
            session: As it is stored.
            store: Where turns are kept.
            settings: Where versions are found.
            engines: Models that all sessions share.
            audience: Who is told what happens.
            holder: The app that has the session open; its hold ends with the thread.
            idle_s: Seconds without a word from the person after which the session ends.
        """
        self.session, self.reason = session, ""
        self._store, self._settings, self._engines, self._idle_s = store, settings, engines, idle_s
        self._audience, self._lock, self._holder = audience, audience.lock, holder
        self._under_way: dict[str, str] = {}
        self._pieces: dict[str, SessionStream] = {}
        self._phase: SessionPhase = "listening" if session.phase == "busy" else session.phase
        self._words: Interject | None = None
        """What was interjected, to be heard next."""
        self._is_stop_asked = False
        self._conversation: Conversation | None = None
        self._is_ending = False
        self.last_heard = time.monotonic()
        """When the person last sent something."""
        self._loop = asyncio.new_event_loop()
        self._inbox: asyncio.Queue[Input | None] = asyncio.Queue()
        self._thread = threading.Thread(target=self._run, name=f"session-{session.id}", daemon=True)
        self._thread.start()

    # --- from other threads

    @property
    def phase(self) -> SessionPhase:
        """What the session waits for."""
        return self._phase

    @property
    def is_running(self) -> bool:
        """Whether it takes what is sent."""
        return not self._is_ending and self._thread.is_alive()

    @property
    def is_over(self) -> bool:
        """Whether it has written its last; one that is ending may still wait for a model."""
        return not self._thread.is_alive()

    def send(self, sent: Input) -> None:
        """Hand on what the person sent; it happens in the session's own time.

        Raises:
            ConflictError: The session waits for something else, or has ended.
        """
        with self._lock:
            if not self.is_running:
                raise ConflictError(f"session {self.session.id} has ended: {self.reason or 'reopen it'}")
            if sent.type not in ALLOWED[self._phase]:
                raise ConflictError(
                    f"session {self.session.id} does not take {sent.type!r} now: {WAITS_FOR[self._phase]}"
                )
            self.last_heard = time.monotonic()
            if self._phase == "busy":
                if isinstance(sent, Interject):
                    self._words = _together(self._words, sent)
                else:
                    self._is_stop_asked = True
                self._loop.call_soon_threadsafe(self._interrupt)
            elif not isinstance(sent, Stop):
                self._phase = "busy"
                self._loop.call_soon_threadsafe(self._inbox.put_nowait, sent)

    def watch(self, watcher: Watcher, *, after: int = 0) -> SessionView:
        """Return what there is to see after event number `after`.

        What happens from then on is told to the watcher, without a gap and nothing twice.
        """
        with self._lock:
            self._flush()  # what waits is part of the view, and must not be told on top of it
            view = self.view(after=after)
            self._audience.watchers.append(watcher)
            return view

    def view(self, *, after: int = 0) -> SessionView:
        """Return the session as it is now."""
        with self._lock:
            session = self._store.live_session(self.session.id).model_copy(update={"phase": self._phase})
            return SessionView(
                session=session,
                events=tuple(self._store.session_events(self.session.id, after=after)),
                under_way=dict(self._under_way),
                is_running=self.is_running,
            )

    def end(self, reason: str, *, wait: bool = True) -> None:
        """Stop whoever speaks, keep what was said, and end the thread; wait for that, but not for ever."""
        with self._lock:
            if not self._is_ending:
                self._is_ending, self.reason = True, reason
                if not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._interrupt)
                    self._loop.call_soon_threadsafe(self._inbox.put_nowait, None)
        if wait and threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    # --- in the session's thread

    def _run(self) -> None:
        try:
            with boundary(OrchestrationError, f"live session {self.session.id}"):
                self._loop.run_until_complete(self._live())
        except CamelxError as e:
            log.exception("live session %s failed", self.session.id)
            self.reason = str(e)
        finally:
            with self._lock:
                self._is_ending = True
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            with self._lock:
                self._loop.close()
            self._close_record()

    async def _live(self) -> None:
        """The session from its opening to its end."""
        events = self._store.session_events(self.session.id)
        stage = PlayedOn(
            self.session,
            self._store,
            self._show,
            self._holder,
            seq=self._store.last_session_event(self.session.id),
            title=self.session.title,
            phase=self._phase,
            held=held_back(events),
        )
        if self.session.phase == "busy":
            events.append(self._broken_off(stage, events))
        casting = Casting(parse_config(self.session.config), self._settings)
        async with AsyncExitStack() as open_until:
            try:
                cast = await casting.cast(self.session, memories(events), self._engines, open_until)
            except CamelxError as e:
                stage.record("error", "session", str(e), phase=stage.phase)
                raise
            self._conversation = Conversation(stage, cast, events)
            while (sent := await self._next()) is not None:
                self._tell(SessionState(phase="busy"))
                await self._take(sent)
                self._tell(SessionState(phase=self._phase))

    def _broken_off(self, stage: PlayedOn, events: list[SessionEvent]) -> SessionEvent:
        """Say that an app that was killed left an exchange unfinished, and return that event."""
        return stage.record(
            "status",
            "session",
            "the app ended while agents were answering; send your words again",
            hidden={"remember": unfinished_pair(events)},
            phase="listening",
            releases=True,
        )

    async def _take(self, sent: Input) -> None:
        """Let happen what was sent, and what is interjected until the session waits again.

        Words that come in the moment before it waits are heard too: they are looked for under the same lock.
        """
        assert self._conversation is not None
        while True:
            phase = await self._conversation.take(sent, is_stopped=self._is_to_stop)
            self._flush()
            with self._lock:
                words, self._words, self._is_stop_asked = self._words, None, False
                if words is None or self._is_ending:
                    self._phase = phase
                    return
            sent = words

    async def _next(self) -> Input | None:
        """Return what the person sends next; None: the session is to end."""
        try:
            async with asyncio.timeout(self._idle_s):
                return await self._inbox.get()
        except TimeoutError:
            with self._lock:
                if self._phase != "busy":
                    self._is_ending = True
                    self.reason = "nobody said anything for a while; it can be reopened"
                    return None
        return await self._inbox.get()  # it was sent in this moment

    @property
    def _is_to_stop(self) -> bool:
        """Whether whoever speaks now is to be stopped."""
        return self._words is not None or self._is_stop_asked or self._is_ending

    def _interrupt(self) -> None:
        with self._lock:
            if self._conversation is not None and self._is_to_stop:
                self._conversation.interrupt()

    def _show(self, shown: SessionEvent | SessionStream) -> None:
        """Tell watchers: events at once, pieces of an answer in batches."""
        if isinstance(shown, SessionStream):
            self._add_piece(shown)
            return
        with self._lock:
            self._flush()
            self._under_way.pop(shown.speaker, None)
            self._tell(shown)

    def _add_piece(self, piece: SessionStream) -> None:
        with self._lock:
            waiting = self._pieces.get(piece.speaker)
            if piece.is_void:
                self._under_way[piece.speaker] = ""
                self._pieces[piece.speaker] = piece
            else:
                self._under_way[piece.speaker] = self._under_way.get(piece.speaker, "") + piece.text
                self._pieces[piece.speaker] = (
                    waiting.model_copy(update={"text": waiting.text + piece.text}) if waiting else piece
                )
            if len(self._pieces) == 1 and waiting is None:
                self._loop.call_later(_STREAM_EVERY_S, self._flush)

    def _flush(self) -> None:
        with self._lock:
            waiting, self._pieces = list(self._pieces.values()), {}
            for piece in waiting:
                self._tell(piece)

    def _tell(self, shown: Shown) -> None:
        self._audience.tell(shown)

    def _close_record(self) -> None:
        """Mark the session as ended, where the database still takes it, and say so to who watches."""
        try:
            self._store.leave_session(self.session.id, self._holder)
        except CamelxError as e:  # no database any more: what was said is stored, or gone
            log.info("session %s can't be marked as ended: %s", self.session.id, e)
        with self._lock:
            self._phase = "listening" if self._phase == "busy" else self._phase
            self._under_way.clear()
            self._tell(SessionState(phase=self._phase, status="ended", reason=self.reason))


def _together(first: Interject | None, then: Interject) -> Interject:
    """Return words that were interjected one after the other before anybody heard them."""
    return then if first is None else then.model_copy(update={"text": f"{first.text}\n\n{then.text}"})
