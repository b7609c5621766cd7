"""`Client` and `AsyncClient` send calls, again where that helps and is safe, and return what was answered."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from camelx.client.calls import Call, Page, View
from camelx.client.errors import ApiError, UnreachableError, api_error
from camelx.client.streams import Stream, converse_stream, watch_stream
from camelx.schemas import CycleEvent

_T = TypeVar("_T")

DEFAULT_URL = "http://127.0.0.1:7860"
_LONGEST_WAIT_S = 30.0
_TEMPORARY = frozenset((502, 503, 504))
_backoff = wait_exponential(multiplier=0.25, max=_LONGEST_WAIT_S) + wait_random(0, 0.25)


class _Settings:
    """What both clients are made with.

    Args:
        url: The server; None: CAMELX_URL, or this machine's.
        token: An API token or a JWT; None: CAMELX_TOKEN, or none.
        timeout_s: Seconds for each step of a request: to connect, to send, until something is answered.
        attempts: How often a request is sent at most.
        wait_s: The longest wait that the server may ask for.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 5,
        wait_s: float = _LONGEST_WAIT_S,
    ) -> None:
        self.url = (url or os.environ.get("CAMELX_URL") or DEFAULT_URL).rstrip("/")
        token = token or os.environ.get("CAMELX_TOKEN")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.timeout_s, self.attempts, self.wait_s = timeout_s, attempts, wait_s

    def policy(self, call: Call[Any]) -> dict[str, Any]:
        """Return when and how long after a failure the call is sent again."""
        return {
            "retry": retry_if_exception(lambda error: may_help(call, error)),
            "stop": stop_after_attempt(self.attempts),
            "wait": self._wait,
            "reraise": True,
        }

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, ApiError) else None
        return _backoff(state) if asked is None else min(asked, self.wait_s)


class Client(_Settings):
    """Sends calls and waits for their answers. May be used from several threads.

    with Client("http://127.0.0.1:7860", token="camelx_...") as camelx:
        cycle = camelx.send(cycles.start(overrides={"goals.n": 20}))
    """

    def __init__(self, url: str | None = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._http = httpx.Client(base_url=self.url, headers=self.headers, timeout=self.timeout_s)

    def send(self, call: Call[_T]) -> _T:
        """Return the answer.

        Raises:
            ApiError: The server refused.
            UnreachableError: No server answered.
        """
        try:
            for attempt in Retrying(**self.policy(call)):
                with attempt:
                    return _answer(call, self._http.request(**_request(call)))
        except httpx.TransportError as e:
            raise _unreachable(self.url, e) from e
        raise AssertionError("tenacity returns or raises")

    def items(self, call: Call[Page[_T]]) -> Iterator[_T]:
        """Yield the items of all pages, fetched as they are needed."""
        page = self.send(call)
        yield from page.items
        while page.next_cursor is not None:
            page = self.send(call.behind(page.next_cursor))
            yield from page.items

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Settings):
    """Sends calls without holding up the event loop, and watches cycles.

    async with AsyncClient() as camelx, camelx.watch("c7") as events:
        async for event in events: ...
    """

    def __init__(self, url: str | None = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._http = httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=self.timeout_s)

    async def send(self, call: Call[_T]) -> _T:
        """Return the answer.

        Raises:
            ApiError: The server refused.
            UnreachableError: No server answered.
        """
        try:
            async for attempt in AsyncRetrying(**self.policy(call)):
                with attempt:
                    return _answer(call, await self._http.request(**_request(call)))
        except httpx.TransportError as e:
            raise _unreachable(self.url, e) from e
        raise AssertionError("tenacity returns or raises")

    async def items(self, call: Call[Page[_T]]) -> AsyncIterator[_T]:
        """Yield the items of all pages, fetched as they are needed."""
        page = await self.send(call)
        for item in page.items:
            yield item
        while page.next_cursor is not None:
            page = await self.send(call.behind(page.next_cursor))
            for item in page.items:
                yield item

    def watch(self, cycle_id: str, after: int = 0, **options: Any) -> Stream[CycleEvent]:
        """Return the events of a cycle behind one that is known, as they happen, to its end.

        Args:
            cycle_id: The cycle.
            after: The number of the last event that is known; 0: all are wanted.
            options: Of `Stream`.
        """
        return watch_stream(self.url, self.headers, cycle_id, after, **options)

    def converse(self, session_id: str, after: int = 0, **options: Any) -> Stream[View]:
        """Return what a live session shows: each message has a `type`; `Stream.send` sends an input.

        Args:
            session_id: The session.
            after: The number of the last event that is known.
            options: Of `Stream`.
        """
        return converse_stream(self.url, self.headers, session_id, after, **options)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def may_help(call: Call[Any], error: BaseException) -> bool:
    """Whether sending the call again may help, and can't do twice what is to be done once."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True  # it was never sent
    if isinstance(error, httpx.TransportError):
        return call.is_repeatable
    if isinstance(error, ApiError):
        if error.status == 429:
            return True  # nothing was done
        if error.status == 409:  # the first of two with one key still runs
            return call.key is not None and error.retry_after_s is not None
        return error.status in _TEMPORARY and call.is_repeatable
    return False


def _request(call: Call[Any]) -> dict[str, Any]:
    headers = dict(call.headers) | ({"Idempotency-Key": call.key} if call.key else {})
    request: dict[str, Any] = {
        "method": call.method, "url": call.path, "params": dict(call.query), "headers": headers,
    }  # fmt: skip
    if call.file is not None:
        # The same bytes each time: the server compares requests of one key.
        headers["Content-Type"] = f"multipart/form-data; boundary={call.key}"
        return request | {"files": {"file": call.file}}
    return request if call.body is None else request | {"json": call.body}


def _answer(call: Call[_T], response: httpx.Response) -> _T:
    if not response.is_success:
        raise api_error(response.status_code, response.reason_phrase, response.content, response.headers)
    return call.answer.validate_json(response.content or b"null")


def _unreachable(url: str, error: httpx.TransportError) -> UnreachableError:
    return UnreachableError(f"{url} does not answer ({type(error).__name__}: {error}); does the server run?")
