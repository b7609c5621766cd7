"""What every request passes before it reaches a route or a page, as plain ASGI: streams stay streams.

From the outside in: `SecurityHeaders`, `Trace` (trace id, log line), `LocalOnly` (without sign-in: for this
machine alone), `SameOrigin` (no other site's page acts in a user's name), `BodyLimit`, `Gate` (pages want
somebody signed in; sessions slide), `RateLimit`, `Idempotency`. `add_middleware` puts them on the app.
"""

from __future__ import annotations

from fastapi import FastAPI

from camelx.server.middleware.bodies import BodyLimit
from camelx.server.middleware.gate import Gate
from camelx.server.middleware.headers import SecurityHeaders
from camelx.server.middleware.idempotency import Idempotency
from camelx.server.middleware.local import LocalOnly
from camelx.server.middleware.origins import SameOrigin
from camelx.server.middleware.rates import RateLimit, Rates
from camelx.server.middleware.trace import Trace
from camelx.workspace import Workspace

__all__ = ["Rates", "add_middleware"]


def add_middleware(app: FastAPI, workspace: Workspace, rates: Rates) -> None:
    """Put all of them on the app; the last one added is the first that a request meets."""
    settings, access = workspace.settings, workspace.access
    app.add_middleware(Idempotency, access=access, store=workspace.store)
    app.add_middleware(RateLimit, access=access, rates=rates)
    app.add_middleware(Gate, access=access)
    app.add_middleware(BodyLimit, body_mb=settings.max_body_mb, upload_mb=settings.max_upload_mb)
    app.add_middleware(SameOrigin, access=access, trusted=settings.trusted_origins)
    app.add_middleware(LocalOnly, access=access)
    app.add_middleware(Trace)
    app.add_middleware(SecurityHeaders)
