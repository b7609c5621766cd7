"""/healthz, /readyz and /metrics: for whoever keeps the app running."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from camelx.access import allow
from camelx.errors import AccessError
from camelx.schemas import AccessRole, Record
from camelx.server.dependencies import Viewer, WorkspaceDep, current_principal
from camelx.server.metrics import Metrics
from camelx.server.readiness import Readiness, ReadinessReport
from camelx.workspace import Workspace

router = APIRouter(tags=["health"])


class Alive(Record):
    """The app answers."""

    status: Literal["alive"] = "alive"


def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get("/healthz")
async def healthz() -> Alive:
    """Say that the process answers; whoever gets no answer should start it anew."""
    return Alive()


@router.get("/readyz", responses={503: {"model": ReadinessReport, "description": "The app can't work."}})
def readyz(
    request: Request,
    response: Response,
    workspace: WorkspaceDep,
    readiness: Annotated[Readiness, Depends(_readiness)],
) -> ReadinessReport:
    """Say whether the app can work and how each part is; why, only to somebody who may look at the app."""
    report = readiness.report()
    response.status_code = 200 if report.is_ready else 503
    response.headers["Cache-Control"] = "no-store"
    return report if _may_look(request, workspace) else report.without_reasons()


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(principal: Viewer, found: Annotated[Metrics, Depends(_metrics)]) -> Response:
    """Return the metrics in Prometheus' text format; a scraper sends an API token of a viewer."""
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _may_look(request: Request, workspace: Workspace) -> bool:
    try:
        allow(current_principal(request, workspace), AccessRole.VIEWER)
    except AccessError:
        return False
    return True
