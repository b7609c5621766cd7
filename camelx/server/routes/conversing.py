"""The WebSocket of a live session: what happens in it, and what the person sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from camelx.errors import CamelxError, NotFoundError
from camelx.schemas import (
    AccessRole,
    Principal,
    Record,
    SessionEvent,
    SessionState,
    SessionStream,
    SessionView,
)
from camelx.server.dependencies import Annotator, WorkspaceDep
from camelx.server.middleware.rates import Rates, said_too_often
from camelx.server.routes.session_views import INPUTS, EventInfo, EventSent, Refused
from camelx.server.streams import NO_SUCH_THING, accepted_protocol, close, serve_stream, still_allowed
from camelx.sessions import STOPPED, Shown
from camelx.watching import STOPPING, BoundedQueue
from camelx.workspace import Workspace

router = APIRouter(prefix="/api/v1/ws", tags=["sessions"])

_MAX_INPUT_CHARS = 64_000


@router.websocket("/sessions/{session_id}")
async def converse(
    websocket: WebSocket,
    workspace: WorkspaceDep,
    principal: Annotator,
    session_id: str,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> None:
    """Send what happens in a session behind event number `after`, and take what its owner sends."""
    await websocket.accept(subprotocol=accepted_protocol(websocket))
    line = _Line(workspace, principal, session_id, websocket.app.state.rates)
    try:
        view, leave = await run_in_threadpool(line.join, after)
    except NotFoundError as e:
        await close(websocket, NO_SUCH_THING, str(e))
        return
    check = still_allowed(websocket, workspace.access, AccessRole.ANNOTATOR)
    try:
        await serve_stream(websocket, _Messages(view, line.queue), check, on_text=line.hear)
    finally:
        leave()


class _Line:
    """One client's line to a session: a bounded queue out, the registry's `send` in."""

    def __init__(self, workspace: Workspace, principal: Principal, session_id: str, rates: Rates) -> None:
        self._sessions, self._principal, self._id = workspace.sessions, principal, session_id
        self._rates, self._is_counted = rates, workspace.access.is_required
        self._loop = asyncio.get_running_loop()
        self.queue: BoundedQueue[Record] = BoundedQueue()

    def join(self, after: int) -> tuple[SessionView, Callable[[], None]]:
        """Return what there is to see; what happens from then on goes into the queue."""
        return self._sessions.watch(self._principal, self._id, self._tell, after=after)

    async def hear(self, text: str) -> None:
        """Hand on what the client sent, or tell it why not."""
        if wait := self._rates.write_wait(user=self._principal.name) if self._is_counted else 0:
            self.queue.put(Refused(detail=said_too_often(wait)))
            return
        try:
            if len(text) > _MAX_INPUT_CHARS:
                raise ValueError(f"what was sent has {len(text)} characters")
            sent = INPUTS.validate_json(text)
        except ValidationError as e:
            self.queue.put(Refused(detail="; ".join(str(error["msg"]) for error in e.errors()[:3])))
        except ValueError as e:
            self.queue.put(Refused(detail=str(e)))
        else:
            try:
                await run_in_threadpool(self._sessions.send, self._principal, self._id, sent)
            except CamelxError as e:
                self.queue.put(Refused(detail=str(e)))

    def _tell(self, shown: Shown) -> None:
        """Called in the session's thread."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self.queue.put, _as_sent(shown))
        if isinstance(shown, SessionState) and shown.reason == STOPPED:
            self._loop.call_soon_threadsafe(self.queue.end, STOPPING)


class _Messages:
    """What a client is sent: all it has missed, then what happens."""

    def __init__(self, view: SessionView, queue: BoundedQueue[Record]) -> None:
        self._view, self._queue = view, queue

    @property
    def reason(self) -> str:
        """Why it ended, once it has."""
        return self._queue.reason

    async def __aiter__(self) -> AsyncIterator[Record]:
        for event in self._view.events:
            yield _as_sent(event)
        session = self._view.session
        yield SessionState(phase=session.phase, status=session.status)
        for speaker, text in self._view.under_way.items():
            yield SessionStream(speaker=speaker, text=text, is_void=True)
        async for item in self._queue:
            yield item


def _as_sent(shown: Shown) -> Record:
    return EventSent(event=EventInfo.of(shown)) if isinstance(shown, SessionEvent) else shown
