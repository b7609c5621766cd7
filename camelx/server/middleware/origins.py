"""No page of another origin acts in a user's name: by a form, a script or a WebSocket."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from camelx.access import Access
from camelx.server.identity import session_of
from camelx.server.problems import problem, refuse

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class SameOrigin:
    """Refuses what changes something, or opens a WebSocket, and was sent by another origin's page.

    A browser names the origin in the Origin header. Where that is missing and the request carries a session,
    Sec-Fetch-Site or Referer must tell; a program sends neither cookie nor these.
    """

    def __init__(self, app: ASGIApp, access: Access, trusted: tuple[str, ...]) -> None:
        self._app, self._access, self._trusted = app, access, frozenset(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        acts = scope["type"] == "websocket" or scope.get("method", "GET") not in SAFE_METHODS
        if acts and (said := self._objection(HTTPConnection(scope))):
            await refuse(scope, receive, send, problem(scope, 403, said))
            return
        await self._app(scope, receive, send)

    def _objection(self, connection: HTTPConnection) -> str | None:
        """Return why the request is refused; None: it is not."""
        headers = connection.headers
        origin = headers.get("origin")
        if origin is not None:
            return None if self._is_ours(origin, connection) else _other(origin)
        site = headers.get("sec-fetch-site")
        if site is not None:
            return None if site in ("same-origin", "none") else _other(site)
        referer = headers.get("referer")
        if referer is not None:
            return None if self._is_ours(referer, connection) else _other("another page")
        if session_of(connection) and "authorization" not in headers:
            return "a request that carries a session must name its Origin; programs send a token instead"
        return None

    def _is_ours(self, url: str, connection: HTTPConnection) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        if f"{parts.scheme}://{parts.netloc}" in self._trusted:
            return True
        here = _host_and_port(connection.headers, connection.scope["scheme"])
        there = (parts.hostname or "", port or _PORTS.get(parts.scheme, 0))
        # A plain page of the same name must not reach what came in with TLS.
        is_weaker = connection.scope["scheme"] in ("https", "wss") and parts.scheme != "https"
        return here == there and not is_weaker


def _host_and_port(headers: Headers, scheme: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{headers.get('host', '')}")
        return parts.hostname or "-", parts.port or _PORTS.get(scheme, 0)
    except ValueError:
        return "-", 0


def _other(origin: str) -> str:
    return (
        f"this was sent by a page of another origin ({origin[:200]}); if that page is yours, name its origin "
        "in CAMELX_TRUSTED_ORIGINS"
    )
