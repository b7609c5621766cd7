"""A request that creates something and is sent again creates nothing again: the header Idempotency-Key."""

from __future__ import annotations

import re
from datetime import timedelta

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelx.access import Access
from camelx.errors import AccessError
from camelx.schemas import KeptAnswer
from camelx.server.identity import identify
from camelx.server.problems import problem, problem_of
from camelx.storage import Store

KEEP = timedelta(days=1)
_GIVE_UP = timedelta(minutes=10)
_KEY = re.compile(r"[!-~]{1,200}")
_KEPT_HEADERS = ("content-type", "location", "etag")
_LONGEST = 2**20
_NOT_KEPT = frozenset((401, 403, 404, 408, 409, 412, 413, 422, 428, 429))
"""Answers after which nothing was done: the same request may be sent again."""


class Idempotency:
    """Answers a POST whose key was seen as it was answered then.

    Another body under the same key is a mistake (422); while the first still runs, the second is told so
    (409). An answer that holds a secret is not kept.
    """

    def __init__(self, app: ASGIApp, access: Access, store: Store) -> None:
        self._app, self._access, self._store = app, access, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        if not _KEY.fullmatch(key):
            said = "Idempotency-Key: expected 1 to 200 visible ASCII characters"
            await problem(scope, 422, said)(scope, receive, send)
            return
        try:
            principal = await run_in_threadpool(identify, HTTPConnection(scope), self._access)
        except AccessError as e:  # answered here, so that whoever counts refusals outside of this sees it
            await problem_of(scope, e)(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        wanted = KeptAnswer(
            actor=principal.name, key=key, request_hash=self._access.signer.fingerprint(*_said(scope, body))
        )
        found = await run_in_threadpool(self._store.reserve_answer, wanted, keep=KEEP, give_up=_GIVE_UP)
        if found is not None:
            await _repeated(scope, wanted, found)(scope, receive, send)
            return
        await self._first(wanted, scope, _replayed(body, receive), send)

    async def _first(self, wanted: KeptAnswer, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer, and keep what it says before the caller has all of it."""
        answer = _Heard(send)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            kept = answer.as_kept(wanted)
            if kept is None:
                await run_in_threadpool(self._store.release_answer, wanted)
            else:
                await run_in_threadpool(self._store.keep_answer, kept)
        await answer.flush()


class _Heard:
    """Holds an answer back until it is kept: a caller who has it and asks again must be answered the same."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self._messages.append(message)

    async def flush(self) -> None:
        for message in self._messages:
            await self._send(message)

    def as_kept(self, wanted: KeptAnswer) -> KeptAnswer | None:
        """Return what to keep; None: nothing was done."""
        start = next((m for m in self._messages if m["type"] == "http.response.start"), None)
        if start is None or start["status"] >= 500 or start["status"] in _NOT_KEPT:
            return None
        headers = Headers(raw=start["headers"])
        body = b"".join(m.get("body", b"") for m in self._messages)
        is_secret = "no-store" in headers.get("cache-control", "")
        return wanted.model_copy(
            update={
                "status": start["status"],
                "headers": {name: headers[name] for name in _KEPT_HEADERS if name in headers},
                "body": None if is_secret or len(body) > _LONGEST else body.decode("utf-8", "replace"),
            }
        )


def _key_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/api/v1/"):
        return None
    return None if scope["path"].startswith("/api/v1/auth") else Headers(scope=scope).get("idempotency-key")


def _said(scope: Scope, body: bytes) -> tuple[bytes, ...]:
    return scope["path"].encode(), scope["query_string"], body


def _repeated(scope: Scope, wanted: KeptAnswer, found: KeptAnswer) -> Response:
    if found.request_hash != wanted.request_hash:
        return problem(scope, 422, f"Idempotency-Key {wanted.key!r} was sent with another request before")
    if found.status is None:
        said = f"the first request with Idempotency-Key {wanted.key!r} still runs; ask again in a moment"
        return problem(scope, 409, said, headers={"Retry-After": "1"})
    if found.body is None:
        said = "this was done already; its answer held a secret or was too long to keep"
        return problem(scope, 409, said)
    return Response(found.body, found.status, {**found.headers, "Idempotency-Replayed": "true"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body, which was read already, and then what comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
