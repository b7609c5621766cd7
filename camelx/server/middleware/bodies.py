"""How long the body of a request may be."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelx.errors import CamelxError
from camelx.server.problems import problem

_UPLOADS = ("/import", "/upload", "/batch")
_MIB = 2**20


class BodyTooLongError(CamelxError):
    """The body went on beyond the limit."""


class BodyLimit:
    """Refuses a body that is too long: by its announced length, else as soon as it has grown too long."""

    def __init__(self, app: ASGIApp, body_mb: float, upload_mb: float) -> None:
        self._app, self._body_mb, self._upload_mb = app, body_mb, upload_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most_mb = self._upload_mb if scope["path"].rstrip("/").endswith(_UPLOADS) else self._body_mb
        body = _Body(receive, send, int(most_mb * _MIB))
        answer = problem(
            scope, 413, f"the body is longer than {most_mb:g} MiB", headers={"Connection": "close"}
        )
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > body.most:
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, body.receive, body.send)
        except BodyTooLongError:
            if body.is_answered:
                raise
        if body.is_too_long and not body.is_answered:
            await answer(scope, receive, send)


class _Body:
    """Counts what comes in; once that is too much, what the app answers to the broken body is kept back."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send = receive, send
        self.most, self._seen = most, 0
        self.is_too_long = self.is_answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self.most:
            self.is_too_long = True
            raise BodyTooLongError("the body is too long")
        return message

    async def send(self, message: Message) -> None:
        if self.is_too_long and not self.is_answered:
            return
        self.is_answered = True
        await self._send(message)
