"""Gives each request its trace id, logs it, and answers what the other middleware raises."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelx.errors import CamelxError
from camelx.runtime.tracing import trace_id_of, traced
from camelx.server.problems import problem_of, refuse

logger = logging.getLogger("camelx.server.requests")

_QUIET = ("/healthz", "/readyz", "/metrics", "/assets/", "/static/", "/gradio_api/heartbeat")
"""Asked for so often that a line for each would bury the rest; logged at DEBUG."""
_LONGEST_PATH = 500


class Trace:
    """One trace id and one log line for each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trace_id = trace_id_of(headers.get("x-trace-id"), headers.get("traceparent"))
        scope.setdefault("state", {})["trace_id"] = trace_id
        with traced(trace_id):
            await _Answer(scope, send, trace_id).given_by(self._app, receive)


class _Answer:
    """Watches one answer go out."""

    def __init__(self, scope: Scope, send: Send, trace_id: str) -> None:
        self._scope, self._send, self._trace_id = scope, send, trace_id
        self._began = time.perf_counter()
        self._status: int | None = None

    async def given_by(self, app: ASGIApp, receive: Receive) -> None:
        try:
            await app(self._scope, receive, self.send)
        except CamelxError as e:
            if self._status is not None:
                raise
            await refuse(self._scope, receive, self.send, problem_of(self._scope, e))
        finally:
            self._log()

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self._status = message["status"]
        elif kind == "websocket.accept":
            self._status = 101
        if kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            MutableHeaders(scope=message)["X-Trace-ID"] = self._trace_id
        await self._send(message)

    def _log(self) -> None:
        path = self._scope["path"]
        quiet = path.startswith(_QUIET) and (self._status or 500) < 400
        logger.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s %s in %.1f ms",
            self._scope.get("method", "WEBSOCKET"),
            path[:_LONGEST_PATH].encode("unicode_escape").decode(),
            self._status or "no answer",
            1_000 * (time.perf_counter() - self._began),
        )
