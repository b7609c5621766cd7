"""Who asks: read from a request's Authorization header or its session cookie, once for each request."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

from camelx.access import LOCAL, Access
from camelx.errors import AccessError
from camelx.schemas import Principal

BEARER = "bearer."
"""What a subprotocol begins with that holds a token; the client offers it beside "camelx.v1"."""
_FOUND = "camelx.principal"


def identify(connection: HTTPConnection, access: Access) -> Principal:
    """Return who asks; reads the database at the first call for a request, so call it in a thread.

    Raises:
        AccessError: Nobody is signed in.
    """
    found: Principal | None = connection.scope.get(_FOUND)
    if found is None:
        found = connection.scope[_FOUND] = _found(connection, access)
    return found


def identify_anew(connection: HTTPConnection, access: Access) -> Principal:
    """Return who asked, as they stand now, where something that they began is still going on.

    The time of their session or JWT may be over by now: it was good when this began.

    Raises:
        AccessError: The user is not active any more, their sessions were ended, or the token was revoked.
    """
    return _found(connection, access, even_if_over=True)


def _found(connection: HTTPConnection, access: Access, *, even_if_over: bool = False) -> Principal:
    if not access.is_required:
        return LOCAL
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AccessError(
                f"Authorization scheme {scheme[:20]!r} is not taken; send Bearer and a token", is_unknown=True
            )
        return access.by_bearer(text.strip(), even_if_over=even_if_over)
    if token := _subprotocol_token(connection):
        return access.by_bearer(token, even_if_over=even_if_over)
    if cookie := session_of(connection):
        return access.by_session(cookie, even_if_over=even_if_over)
    raise AccessError("sign in first: at /sign-in, or with an Authorization header", is_unknown=True)


def _subprotocol_token(connection: HTTPConnection) -> str | None:
    """Return the token that a WebSocket's client sent as a subprotocol: a browser lets it set no header."""
    offered = connection.scope.get("subprotocols", ())
    return next((p.removeprefix(BEARER) for p in offered if p.startswith(BEARER)), None)


def session_of(connection: HTTPConnection) -> str | None:
    """Return the session that the request's cookie holds."""
    return connection.cookies.get(_cookie_name(connection))


def give_session(response: Response, connection: HTTPConnection, session: str) -> None:
    """Let the browser keep the session until it is closed or the session over; scripts can't read it."""
    response.set_cookie(
        _cookie_name(connection), session, path="/", secure=_is_secure(connection), httponly=True,
        samesite="lax",
    )  # fmt: skip


def end_session(response: Response, connection: HTTPConnection) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(
        _cookie_name(connection), path="/", secure=_is_secure(connection), httponly=True, samesite="lax"
    )


def _cookie_name(connection: HTTPConnection) -> str:
    """Return the cookie's name; with TLS one that no other host or plain page can set."""
    return "__Host-camelx_session" if _is_secure(connection) else "camelx_session"


def _is_secure(connection: HTTPConnection) -> bool:
    return connection.scope["scheme"] in ("https", "wss")
