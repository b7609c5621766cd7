"""Sends a stream over a WebSocket: alive, bounded, and done with a client that is gone.

In: an accepted WebSocket, and a stream of records that drops rather than waits, such as a `BoundedQueue` of
`camelx.watching`. Out: each as one JSON text, a `Ping` between them, and a close with a code and a reason.
Called by the routes of cycles and of live sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from camelx.access import Access, allow
from camelx.errors import AccessError, StorageError
from camelx.schemas import AccessRole, Ping, Record
from camelx.server.identity import identify_anew
from camelx.watching import STOPPING

HEARTBEAT_S = 15.0
SEND_WITHIN_S = 60.0
ENDED, GOING_AWAY, NOT_ALLOWED, TOO_SLOW = 1000, 1001, 1008, 4408
NO_SUCH_THING = 4404
PROTOCOL = "camelx.v1"
"""Offered by clients that send their token as a further subprotocol; scripts in browsers can't otherwise."""
_CLOSE_WITHIN_S = 5.0

OnText = Callable[[str], Awaitable[None]]
Check = Callable[[], Awaitable[None]]


class Stream(Protocol):
    """What is sent: records one after the other, until there are no more."""

    @property
    def reason(self) -> str:
        """Why it ended, once it has."""
        ...

    def __aiter__(self) -> AsyncIterator[Record]:
        """Return the records."""
        ...


async def serve_stream(
    websocket: WebSocket,
    stream: Stream,
    check: Check,
    *,
    on_text: OnText | None = None,
    heartbeat_s: float = HEARTBEAT_S,
    send_within_s: float = SEND_WITHIN_S,
) -> None:
    """Send the stream until it ends or the client goes; then the socket is closed and no task is left.

    Args:
        websocket: An accepted one.
        stream: What to send; while the client takes nothing, nothing is taken from it.
        check: Called before each ping and each text of the client; raises `AccessError` where the client may
            not go on.
        on_text: Called with each text that the client sends; None: what it sends is ignored.
        heartbeat_s: Seconds between two pings.
        send_within_s: A client that takes nothing for so long is gone.
    """
    outlet = _Outlet(websocket, send_within_s)
    parts = [
        asyncio.ensure_future(part)
        for part in (
            outlet.send_all(stream),
            outlet.ping(heartbeat_s, check),
            _hear(websocket, check, on_text),
        )
    ]
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for part in parts:
            part.cancel()
        ended = await asyncio.gather(*parts, return_exceptions=True)
    code, reason = GOING_AWAY if stream.reason == STOPPING else ENDED, stream.reason
    if any(isinstance(error, TimeoutError) for error in ended):
        code, reason = TOO_SLOW, f"nothing was taken for {send_within_s:g} s"
    if refused := next((error for error in ended if isinstance(error, AccessError)), None):
        code, reason = NOT_ALLOWED, str(refused)
    await close(websocket, code, reason)
    for part in done:
        if (error := part.exception()) and not isinstance(
            error, TimeoutError | WebSocketDisconnect | AccessError
        ):
            raise error


def still_allowed(websocket: WebSocket, access: Access, role: AccessRole) -> Check:
    """Return the check that whoever opened the socket is active and may still do what `role` may."""

    def checked() -> None:
        with suppress(StorageError):  # a database that is away for a moment ends no stream
            allow(identify_anew(websocket, access), role)

    return partial(run_in_threadpool, checked)


def accepted_protocol(websocket: WebSocket) -> str | None:
    """Return the subprotocol to accept, if the client named it; one that holds a token is never echoed."""
    return PROTOCOL if PROTOCOL in websocket.scope.get("subprotocols", ()) else None


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close the socket, unless the client has; a reason that is too long for a frame is cut."""
    both = (websocket.client_state, websocket.application_state)
    if WebSocketState.DISCONNECTED in both:
        return
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(_CLOSE_WITHIN_S):
            await websocket.close(code, reason.encode()[:120].decode(errors="ignore"))


class _Outlet:
    """The one place that sends on a socket: two texts never overlap."""

    def __init__(self, websocket: WebSocket, within_s: float) -> None:
        self._websocket, self._within_s = websocket, within_s
        self._lock = asyncio.Lock()

    async def send_all(self, stream: Stream) -> None:
        async for record in stream:
            await self.send(record)

    async def ping(self, every_s: float, check: Check) -> None:
        while True:
            await asyncio.sleep(every_s)
            await check()
            await self.send(Ping())

    async def send(self, record: Record) -> None:
        """Send one record.

        Raises:
            TimeoutError: The client takes nothing any more.
            WebSocketDisconnect: It is gone.
        """
        async with self._lock, asyncio.timeout(self._within_s):
            await self._websocket.send_text(record.model_dump_json())


async def _hear(websocket: WebSocket, check: Check, on_text: OnText | None) -> None:
    """Return when the client has gone."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if on_text is not None and (text := message.get("text")) is not None:
            await check()
            await on_text(text)
