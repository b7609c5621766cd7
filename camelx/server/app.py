"""The app, put together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match

from camelx import __version__
from camelx.errors import AccessError
from camelx.server.identity import identify
from camelx.server.metrics import Measured, Metrics
from camelx.server.middleware import Rates, add_middleware
from camelx.server.middleware.headers import secure
from camelx.server.openapi import DESCRIPTION, add_openapi
from camelx.server.problems import add_problem_handlers, problem
from camelx.server.readiness import Readiness
from camelx.server.routes import ROUTERS
from camelx.server.sentry import start_sentry
from camelx.workspace import Workspace

if TYPE_CHECKING:
    from camelx.ui import Who

logger = logging.getLogger(__name__)
_REST = "/api/{rest:path}"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(workspace: Workspace, *, pages: bool = True) -> FastAPI:
    """Return the app on an open workspace, which stays the caller's to close.

    Args:
        workspace: What it serves.
        pages: False: the API alone, which starts in less time.

    Raises:
        ConfigError: A rate in the settings can't be read.
    """
    start_sentry(workspace.settings)
    app = FastAPI(
        title="camelx", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )  # fmt: skip
    app.state.workspace = workspace
    app.state.rates = Rates(workspace.settings)
    app.state.metrics = Metrics(workspace)
    app.state.readiness = Readiness(workspace.store, workspace.settings)
    add_problem_handlers(app)
    app.add_exception_handler(Exception, _on_unexpected)
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route(_REST, _nothing, methods=_METHODS, include_in_schema=False)
    add_openapi(app)
    add_middleware(app, workspace, app.state.rates)
    app.add_middleware(Measured, metrics=app.state.metrics)
    if not pages:
        return app
    from camelx.ui import mount_pages

    return mount_pages(app, workspace, _who(workspace))


def _who(workspace: Workspace) -> Who:
    """Return what tells Gradio who uses a page."""

    async def who(request: Request) -> str | None:
        try:
            return (await run_in_threadpool(identify, request, workspace.access)).name
        except AccessError:
            return None

    return who


def _nothing(request: Request) -> Response:
    """Answer what no route of the API took, before the pages would."""
    if allowed := [method for method in _METHODS if _takes(request, method)]:
        said = f"{request.url.path} does not take {request.method}"
        return problem(request.scope, 405, said, headers={"Allow": ", ".join(allowed)})
    return problem(request.scope, 404, f"there is nothing at {request.url.path}")


def _takes(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    routes = (r for r in request.app.routes if getattr(r, "path", None) not in ("", _REST))
    return any(route.matches(dict(scope))[0] is Match.FULL for route in routes)


async def _on_unexpected(connection: HTTPConnection, error: Exception) -> Response:
    """Answer what nobody expected: its trace id, by which the log tells the rest."""
    trace_id = connection.scope.get("state", {}).get("trace_id")
    logger.error("unexpected %s (trace %s)", type(error).__name__, trace_id, exc_info=error)
    answer = problem(
        connection.scope, 500, f"something unexpected happened; the log tells more under trace id {trace_id}"
    )
    # The middleware that adds headers lies inside of what catches this.
    answer.headers["X-Trace-ID"] = str(trace_id)
    secure(MutableHeaders(raw=answer.raw_headers), connection.scope)
    return answer
