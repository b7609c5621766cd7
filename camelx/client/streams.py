"""`Stream`: what a WebSocket of the server sends, through every interruption, without a gap or a double."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from camelx.client.calls import View
from camelx.client.errors import ApiError, UnreachableError, api_error
from camelx.errors import CamelxError
from camelx.schemas import CycleEvent, Dropped

log = logging.getLogger(__name__)

_T = TypeVar("_T")

MOST_WAITING = 500
PING_EVERY_S = 15.0
GIVE_UP_AFTER_S = 300.0
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.25, 30.0
_ENDED, _NOT_FOUND, _REFUSED = 1000, 4404, 1008


class Stream(Generic[_T]):
    """An async iterator over the events of one WebSocket, to be used in an `async with` block.

    A connection that breaks is made again, behind the last event that came. Events wait for the reader in a
    queue; of a reader who is too slow the oldest are dropped, and a `Dropped` stands in their place, as it
    does where the server had to drop some.

    Args:
        url: The WebSocket without `after`.
        headers: To be sent with the handshake.
        read: Makes the event and its number of a message; the number is None where it has none.
        after: The number of the last event that is known.
        size: Most events that wait.
        give_up_after_s: Seconds without a connection after which it is not tried any more.
        ping_every_s: Seconds between two pings; a server that does not answer them is gone.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        read: Callable[[Mapping[str, Any]], tuple[int | None, _T]],
        *,
        after: int = 0,
        size: int = MOST_WAITING,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        ping_every_s: float = PING_EVERY_S,
    ) -> None:
        self._url, self._headers, self._read = url, dict(headers), read
        self._give_up_after_s, self._ping_every_s = give_up_after_s, ping_every_s
        self._waiting: deque[_T | Dropped] = deque()
        self._size = size
        self._n_missing = 0
        self._changed = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: CamelxError | None = None
        self._is_over = False
        self.last_seq = after
        """The number of the last event that came."""
        self.n_dropped = 0
        """Events that never reached the reader, dropped here or by the server."""
        self.n_connections = 0
        """Connections that were made, the first one included."""
        self.reason = ""
        """Why it ended, in the server's words, once it has."""

    async def send(self, message: Any) -> None:
        """Send a message, as JSON.

        Raises:
            UnreachableError: There is no connection at this moment.
        """
        if self._connection is None:
            raise UnreachableError(f"not connected to {self._url} at this moment; try again")
        try:
            await self._connection.send(json.dumps(message))
        except ConnectionClosed as e:
            raise UnreachableError(f"the connection to {self._url} broke; try again") from e

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_connected(), name=f"stream {self._url}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _T | Dropped:
        while True:
            if self._n_missing:
                n, self._n_missing = self._n_missing, 0
                return Dropped(n=n)
            if self._waiting:
                return self._waiting.popleft()
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()

    async def _keep_connected(self) -> None:
        try:
            await self._connect_again_and_again()
        except CamelxError as e:
            self._failure = e
        finally:
            self._is_over = True
            self._changed.set()

    async def _connect_again_and_again(self) -> None:
        delay, lost_at = _FIRST_DELAY_S, time.monotonic()
        while True:
            n_before = self.n_connections
            why = await self._listen_once()
            if why is None:
                return
            if self.n_connections > n_before:
                delay, lost_at = _FIRST_DELAY_S, time.monotonic()
            if time.monotonic() - lost_at + delay > self._give_up_after_s:
                raise UnreachableError(
                    f"{self._url}: no connection for {self._give_up_after_s:g} s ({why}); event "
                    f"{self.last_seq} was the last: go on behind it once the server is back"
                )
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, _LONGEST_DELAY_S)

    async def _listen_once(self) -> str | None:
        """Listen on one connection until it breaks, and return why it did; None: the stream has ended.

        Raises:
            ApiError: The server refuses, for good.
        """
        url = f"{self._url}?after={self.last_seq}"
        interval = self._ping_every_s
        try:
            async with connect(
                url, additional_headers=self._headers, ping_interval=interval, ping_timeout=interval,
                open_timeout=interval, close_timeout=2, max_size=2**24,
            ) as connection:  # fmt: skip
                self._connection = connection
                self.n_connections += 1
                async for text in connection:
                    self._take(json.loads(text))
            return self._how_it_closed(connection.close_code, connection.close_reason)
        except ConnectionClosed as e:
            close = e.rcvd
            return self._how_it_closed(close.code if close else None, close.reason if close else None)
        except InvalidStatus as e:
            refusal = e.response
            if refusal.status_code < 500 and refusal.status_code != 429:
                raise api_error(
                    refusal.status_code, _phrase(refusal.status_code), bytes(refusal.body or b""),
                    {name.lower(): value for name, value in refusal.headers.raw_items()},
                ) from e  # fmt: skip
            return f"HTTP {refusal.status_code}"
        except (OSError, TimeoutError, InvalidHandshake) as e:
            return f"{type(e).__name__}: {e}"
        finally:
            self._connection = None

    def _how_it_closed(self, code: int | None, reason: str | None) -> str | None:
        if code == _ENDED:
            self.reason = reason or ""
            return None
        if code in (_NOT_FOUND, _REFUSED):
            status = 404 if code == _NOT_FOUND else 403
            raise ApiError(status, _phrase(status), reason or "the server closed the connection")
        return f"closed with {code} {reason or ''}".strip()

    def _take(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        if kind == "ping":
            return
        if kind == "dropped":
            self.n_dropped += int(message["n"])
            self._put(Dropped(n=message["n"]))
            return
        try:
            seq, event = self._read(message)
        except ValidationError as e:
            self._pass_by(message, e)
            return
        if seq is not None:
            if seq <= self.last_seq:
                return
            self.last_seq = seq
        self._put(event)

    def _pass_by(self, message: Mapping[str, Any], why: ValidationError) -> None:
        """Let a `Dropped` stand for an event that only a newer camelx can read."""
        seq = int(message["event"]["seq"])
        if seq > self.last_seq:
            log.warning("event %d of %s can't be read; is the server newer? %s", seq, self._url, why)
            self.last_seq = seq
            self.n_dropped += 1
            self._put(Dropped(n=1))

    def _put(self, item: _T | Dropped) -> None:
        if len(self._waiting) >= self._size:
            oldest = self._waiting.popleft()
            is_told = isinstance(oldest, Dropped)
            self._n_missing += oldest.n if isinstance(oldest, Dropped) else 1
            self.n_dropped += 0 if is_told else 1
        self._waiting.append(item)
        self._changed.set()


def watch_stream(
    url: str, headers: Mapping[str, str], cycle_id: str, after: int, **options: Any
) -> Stream[CycleEvent]:
    """Return the stream of a cycle's events."""
    address = f"{socket_url(url)}/api/v1/ws/cycles/{quote(cycle_id, safe='')}"
    return Stream(address, headers, _cycle_event, after=after, **options)


def converse_stream(
    url: str, headers: Mapping[str, str], session_id: str, after: int, **options: Any
) -> Stream[View]:
    """Return the stream of a live session."""
    address = f"{socket_url(url)}/api/v1/ws/sessions/{quote(session_id, safe='')}"
    return Stream(address, headers, _session_message, after=after, **options)


def socket_url(url: str) -> str:
    """Return the address of the server's WebSockets."""
    return "ws" + url.removeprefix("http")


def _cycle_event(message: Mapping[str, Any]) -> tuple[int, CycleEvent]:
    event = CycleEvent.model_validate(message["event"])
    return event.seq, event


def _session_message(message: Mapping[str, Any]) -> tuple[int | None, View]:
    seq = message["event"]["seq"] if message.get("type") == "event" else None
    return seq, View.model_validate(message)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
