"""How often somebody may try to sign in, guess tokens, or change things."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelx.access import Access
from camelx.config import Settings
from camelx.errors import AccessError, ConfigError
from camelx.server.identity import identify
from camelx.server.middleware.origins import SAFE_METHODS
from camelx.server.problems import problem, refuse

_ADDRESS_FACTOR = 4
_REFUSALS = parse("60/minute")
"""Answers 401 that one address may get: more is guessing."""


class Rates:
    """The counters of one app; several apps on one database count each for itself."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._sign_in = _parsed("CAMELX_SIGN_IN_RATE", settings.sign_in_rate)
        self._writes = _parsed("CAMELX_WRITE_RATE", settings.write_rate)

    def sign_in_wait(self, name: str, address: str) -> int:
        """Count one attempt to sign in; return 0, or for how many seconds there are to be no more."""
        item = self._sign_in
        by_address = type(item)(item.amount * _ADDRESS_FACTOR, item.multiples)
        counted = [(item, ("name", name.lower()[:64])), (by_address, ("address", address))]
        return max(self._wait(limit, *key) for limit, key in counted)

    def signed_in(self, name: str) -> None:
        """Forget a name's attempts: this one was right."""
        self._limiter.clear(self._sign_in, "name", name.lower()[:64])

    def write_wait(self, *, user: str | None = None, address: str = "") -> int:
        """Count one change; return 0, or for how many seconds there are to be no more.

        Args:
            user: Whose it is, from wherever they come.
            address: Where it comes from, if it is nobody's.
        """
        return self._wait(self._writes, "writes", f"address {address}" if user is None else f"user {user}")

    def refused(self, address: str) -> None:
        """Count one answer that said who are you."""
        self._limiter.hit(_REFUSALS, "refusals", address)

    def refusal_wait(self, address: str) -> int:
        """Return 0, or for how many seconds an address that guesses is not answered."""
        return (
            0
            if self._limiter.test(_REFUSALS, "refusals", address)
            else self._left(_REFUSALS, "refusals", address)
        )

    def _wait(self, item: RateLimitItem, *key: str) -> int:
        return 0 if self._limiter.hit(item, *key) else self._left(item, *key)

    def _left(self, item: RateLimitItem, *key: str) -> int:
        return max(1, math.ceil(self._limiter.get_window_stats(item, *key).reset_time - time.time()))


class RateLimit:
    """Refuses changes that come too fast, where people sign in; on one's own machine nobody is kept."""

    def __init__(self, app: ASGIApp, access: Access, rates: Rates) -> None:
        self._app, self._access, self._rates = app, access, rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] not in ("http", "websocket") or not self._access.is_required:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        address = address_of(connection)
        carries = "authorization" in connection.headers or "cookie" in connection.headers
        wait = self._rates.refusal_wait(address) if carries else 0
        if not wait and scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            user = await run_in_threadpool(self._user, connection)
            wait = self._rates.write_wait(user=user, address=address)
        if wait:
            await refuse(scope, receive, send, too_many(scope, wait))
            return

        async def counted(message: Message) -> None:
            is_start = message["type"] in ("http.response.start", "websocket.http.response.start")
            if carries and is_start and message["status"] == 401:
                self._rates.refused(address)
            await send(message)

        await self._app(scope, receive, counted)

    def _user(self, connection: HTTPConnection) -> str | None:
        """Return whose changes these are; None: nobody's who is known."""
        try:
            return identify(connection, self._access).name
        except AccessError:
            return None


def too_many(scope: Scope, wait_s: int) -> Response:
    """Return the answer to whoever came too often."""
    return problem(scope, 429, said_too_often(wait_s), headers={"Retry-After": str(wait_s)})


def said_too_often(wait_s: int) -> str:
    """Return what is said to whoever came too often."""
    return f"too many requests; try again in {wait_s} s"


def address_of(connection: HTTPConnection) -> str:
    """Return the address that the request came from, as the server knows it."""
    return connection.client.host if connection.client else "unknown"


def _parsed(variable: str, rate: str) -> RateLimitItem:
    try:
        return parse(rate)
    except ValueError as e:
        raise ConfigError(
            f'environment variable {variable}: expected such as "10/minute", got {rate!r}'
        ) from e
