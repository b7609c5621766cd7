"""/api/v1/cycles: look at cycles, start, stop and continue them."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.responses import HTMLResponse

from camelx.config import OverrideName
from camelx.cycles.comparing import compare
from camelx.cycles.summary import CycleSummary, summaries_of
from camelx.errors import NotFoundError
from camelx.runtime.tracing import current_trace_id
from camelx.schemas import Cycle, CycleStatus
from camelx.server.dependencies import Operator, Viewer, WorkspaceDep
from camelx.server.routes.cycle_views import (
    ComparisonView,
    CyclesView,
    CycleView,
    EventsView,
    NewCycle,
    Resumption,
    StageView,
)
from camelx.workspace import Workspace

router = APIRouter(prefix="/api/v1/cycles", tags=["cycles"])

_ID = r"^[A-Za-z0-9_-]{1,64}$"
CycleId = Annotated[str, Path(pattern=_ID, examples=["c7"])]
Report = Literal["validation", "panel"]
REPORTS: tuple[Report, ...] = ("validation", "panel")
REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)
"""A report shows what models wrote: it gets neither scripts nor this origin."""
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"description": "Another cycle is queued or runs, or this one is in a state that does not allow it."}
}


@router.get("")
def list_cycles(
    principal: Viewer,
    workspace: WorkspaceDep,
    status: Annotated[CycleStatus | None, Query(description="Only cycles of this status.")] = None,
    cursor: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CyclesView:
    """Return the cycles, newest first."""
    workspace.cycles.settle()
    before = int(cursor) if cursor is not None else None
    found = workspace.store.cycles_page(limit=limit + 1, before=before, status=status)
    shown = summaries_of(workspace.store, found[:limit])
    return CyclesView(
        items=[_view(workspace, summary) for summary in shown],
        next_cursor=str(found[limit - 1].number) if len(found) > limit else None,
    )


@router.post("", status_code=201, responses=_CONFLICT)
def start_cycle(
    asked: NewCycle, principal: Operator, workspace: WorkspaceDep, response: Response
) -> CycleView:
    """Start a cycle: it is queued, and its id is answered at once."""
    cycle = workspace.cycles.start(
        asked.config,
        asked.overrides,
        by=principal.name,
        trace_id=current_trace_id(),
        named=OverrideName.MEMBER,
    )
    workspace.access.audit(principal, "cycle.start", cycle.id, config=asked.config, overrides=asked.overrides)
    response.headers["Location"] = f"/api/v1/cycles/{cycle.id}"
    return _view(workspace, _summary(workspace, cycle))


@router.get("/compare")
def compare_cycles(
    principal: Viewer,
    workspace: WorkspaceDep,
    a: Annotated[str, Query(pattern=_ID, examples=["c6"])],
    b: Annotated[str, Query(pattern=_ID, examples=["c7"])],
) -> ComparisonView:
    """Compare two cycles: their configs, what they did, what that brought and cost."""
    both = [_summary(workspace, workspace.cycles.cycle(cycle_id)) for cycle_id in (a, b)]
    return ComparisonView.of(compare(*both))


@router.get("/configs")
def list_configs(principal: Viewer, workspace: WorkspaceDep) -> list[str]:
    """Return the names of the configs that a cycle can be started with."""
    return workspace.cycles.configs()


@router.get("/{cycle_id}")
def get_cycle(cycle_id: CycleId, principal: Viewer, workspace: WorkspaceDep) -> CycleView:
    """Return one cycle."""
    workspace.cycles.settle()
    return _view(workspace, _summary(workspace, workspace.cycles.cycle(cycle_id)))


@router.post("/{cycle_id}/cancel", status_code=202, responses=_CONFLICT)
def cancel_cycle(cycle_id: CycleId, principal: Operator, workspace: WorkspaceDep) -> CycleView:
    """Stop a cycle: a queued one at once, a running one as soon as it has closed what it does."""
    cycle = workspace.cycles.cancel(cycle_id)
    workspace.access.audit(principal, "cycle.cancel", cycle_id)
    return _view(workspace, _summary(workspace, cycle))


@router.post("/{cycle_id}/resume", status_code=202, responses=_CONFLICT)
def resume_cycle(
    cycle_id: CycleId,
    principal: Operator,
    workspace: WorkspaceDep,
    how: Annotated[Resumption | None, Body()] = None,
) -> CycleView:
    """Go on with a cycle that ended; no model call that was answered is made again."""
    from_stage = how.from_stage if how else None
    cycle = workspace.cycles.resume(cycle_id, from_stage, by=principal.name)
    workspace.access.audit(principal, "cycle.resume", cycle_id, from_stage=from_stage)
    return _view(workspace, _summary(workspace, cycle))


@router.get("/{cycle_id}/stages")
def list_stages(cycle_id: CycleId, principal: Viewer, workspace: WorkspaceDep) -> list[StageView]:
    """Return the stages of a cycle that have begun, in order."""
    cycle = workspace.cycles.cycle(cycle_id)
    return [StageView.of(report) for report in workspace.store.stage_reports(cycle.id).values()]


@router.get("/{cycle_id}/events")
def list_events(
    cycle_id: CycleId,
    principal: Viewer,
    workspace: WorkspaceDep,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The last number that is known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 500,
) -> EventsView:
    """Return what happened in a cycle after an event; /api/v1/ws/cycles/{id} sends the same as it happens."""
    cycle = workspace.cycles.cycle(cycle_id)
    found = workspace.store.events_after(cycle.id, after, limit)
    return EventsView(items=found, last_seq=found[-1].seq if found else after)


@router.get(
    "/{cycle_id}/report/{kind}",
    response_class=HTMLResponse,
    responses={200: {"description": "The page.", "content": {"text/html": {}}}},
)
def get_report(cycle_id: CycleId, kind: Report, principal: Viewer, workspace: WorkspaceDep) -> Response:
    """Return a cycle's report on its pairs ("validation") or on its reviewers ("panel")."""
    cycle = workspace.cycles.cycle(cycle_id)
    path = _report_path(workspace, cycle.id, kind)
    if path is None:
        raise NotFoundError(f"cycle {cycle_id} has no {kind} report; its stage has not come so far")
    headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "no-cache, private"}
    return HTMLResponse(path.read_text("utf-8"), headers=headers)


def _summary(workspace: Workspace, cycle: Cycle) -> CycleSummary:
    return summaries_of(workspace.store, [cycle])[0]


def _view(workspace: Workspace, summary: CycleSummary) -> CycleView:
    launch = workspace.cycles.launch(summary.cycle.id)
    return CycleView.of(
        summary,
        launch,
        prefect_url=workspace.cycles.run_url(launch),
        reports=[kind for kind in REPORTS if _report_path(workspace, summary.cycle.id, kind)],
    )


def _report_path(workspace: Workspace, cycle_id: str, kind: Report) -> FilePath | None:
    """Return where a report is, if it is there: a file of the cycle's own folder, and no link out of it."""
    folder = workspace.settings.cycle_dir(cycle_id).resolve()
    path = folder / f"{kind}.html"
    return path if path.is_file() and path.resolve().parent == folder else None
