"""What is not the API's is for people: whoever opens it must be signed in. Sessions slide here."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelx.access import Access
from camelx.errors import AccessError
from camelx.server.identity import end_session, give_session, identify, session_of
from camelx.server.problems import problem, problem_of, refuse

PUBLIC = ("/healthz", "/readyz", "/metrics", "/sign-in", "/sign-out", "/favicon.ico", "/robots.txt")
"""Paths for everybody; /metrics and /readyz decide for themselves how much they tell."""
_PUBLIC_FOLDERS = ("/assets/", "/static/", "/svelte/", "/theme.css", "/gradio_api/theme.css")
"""What Gradio's pages are made of: the same files in every installation."""
_GRADIO = re.compile(
    r"/gradio_api/(?:queue/(?:join|data)|heartbeat/\w+|startup-events|upload|upload_progress|cancel|reset"
    r"|run/predict|file=.*|app_id|login_check)/?|/(?:config|gradio_api/(?:info|user))/?"
)
"""What Gradio's pages call. It has further endpoints (proxies, code editing, monitoring): they are closed."""
_CLOSED = re.compile(r"/(?:gradio_api|monitoring|login|logout|pwa_icon|manifest\.json|dev)(?:/.*)?")


class Gate:
    """Sends whoever is not signed in to the sign-in page, and closes what the pages do not need."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] not in ("http", "websocket") or _is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if not scope["path"].startswith("/api/") and (refused := await self._refusal(connection)):
            await refuse(scope, receive, send, refused)
            return
        await self._app(scope, receive, await self._sliding(connection, send))

    async def _refusal(self, connection: HTTPConnection) -> Response | None:
        """Return what a page's request is refused with; None: it may pass."""
        path = connection.scope["path"]
        if _CLOSED.fullmatch(path) and not _GRADIO.fullmatch(path):
            return problem(connection.scope, 404, f"there is nothing at {path}")
        try:
            await run_in_threadpool(identify, connection, self._access)
        except AccessError as e:
            if not _is_page_load(connection):
                return problem_of(connection.scope, e)
            here = path + (f"?{connection.url.query}" if connection.url.query else "")
            answer = RedirectResponse(f"/sign-in?next={quote(here, safe='')}", 303)
            if session_of(connection):
                end_session(answer, connection)
            return answer
        return None

    async def _sliding(self, connection: HTTPConnection, send: Send) -> Send:
        """Return a `send` that hands the browser a fresh session, where the old one is half over."""
        cookie = session_of(connection) if self._access.is_required else None
        if cookie is None or not self._access.is_half_over(cookie):
            return send
        fresh = await run_in_threadpool(self._access.renewed_session, cookie)
        if not fresh:
            return send

        async def with_session(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "set-cookie" not in headers:
                    given = Response()
                    give_session(given, connection, fresh)
                    headers.append("set-cookie", given.headers["set-cookie"])
            await send(message)

        return with_session


def _is_public(path: str) -> bool:
    return path.rstrip("/") in PUBLIC or path.startswith(_PUBLIC_FOLDERS)


def _is_page_load(connection: HTTPConnection) -> bool:
    """Whether a person opened this in a browser, who can be sent somewhere else."""
    if connection.scope["type"] != "http" or Request(connection.scope).method not in ("GET", "HEAD"):
        return False
    return "text/html" in connection.headers.get("accept", "") and not connection.scope["path"].startswith(
        ("/gradio_api", "/config")
    )
