"""Without sign-in the app is for this machine alone: no other name leads to it, and no proxy."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from camelx.access import Access
from camelx.config import is_loopback
from camelx.server.problems import problem, refuse

_PROXIES = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")


class LocalOnly:
    """Refuses what did not come from this machine, where nobody has to sign in.

    A page of another site can make a browser call 127.0.0.1 under the site's own name (DNS rebinding): then
    the Host header names the site. And behind a proxy everybody comes from this machine.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] not in ("http", "websocket") or self._access.is_required:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if proxy := next((name for name in _PROXIES if name in headers), None):
            said = (
                f"this came through a proxy (header {proxy}), and nobody has to sign in here: whoever "
                "reaches the proxy would be an admin. Set CAMELX_SIGN_IN=on and make an admin with "
                "`camelx user add NAME --role admin`"
            )
            await refuse(scope, receive, send, problem(scope, 403, said))
            return
        host = host_of(headers.get("host", ""))
        if not is_loopback(host):
            said = (
                f"nobody has to sign in here, so the app answers to localhost and 127.0.0.1 alone, not to "
                f"{host[:100]!r}. To use another name, set CAMELX_SIGN_IN=on"
            )
            await refuse(scope, receive, send, problem(scope, 421, said))
            return
        await self._app(scope, receive, send)


def host_of(header: str) -> str:
    """Return the name or address in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
