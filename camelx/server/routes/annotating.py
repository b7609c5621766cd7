"""/api/v1/annotations: what people judge next, and what they said.

A verdict counts once however often it is sent, by its `submission_id`. People change and take back their own;
an admin may those of all.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime

from camelx.access import allow
from camelx.annotation import AgentsSaid, HumanVerdict, Progress, Recorded, Wanted, agents_said, progress_of
from camelx.errors import AccessError, CamelxError
from camelx.schemas import AccessRole, Annotation, AnnotationFilter, Principal, Role
from camelx.server.dependencies import Annotator, Viewer, WorkspaceDep
from camelx.server.routes.annotation_views import (
    TEXT,
    AnnotationPage,
    Batch,
    BatchResult,
    BatchResults,
    ItemView,
    NewVerdict,
    NextItem,
    PairNamed,
    Reopened,
    UndoneView,
    VerdictChange,
    VerdictSaved,
    cursor_of,
    position,
)
from camelx.workspace import Workspace

router = APIRouter(prefix="/api/v1/annotations", tags=["annotations"])

_EXAMPLE = ["5f2b0c9d1e3a4b5c6d7e8f90"]
AnnotationId = Annotated[str, Path(min_length=1, max_length=200, pattern=TEXT, examples=_EXAMPLE)]
Name = Annotated[str | None, Query(min_length=1, max_length=200, pattern=TEXT)]
ResultId = Annotated[str, Query(min_length=1, max_length=200, pattern=TEXT, examples=_EXAMPLE)]
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such pair or cycle to judge."}}
_TAKEN_BACK: dict[int | str, dict[str, Any]] = {
    409: {"description": "It came before: with another pair, or its verdict was taken back or replaced."}
}
_NOTHING: dict[int | str, dict[str, Any]] = {
    **_UNKNOWN,
    409: {"description": "No cycle has anything to judge, or somebody else has it before them."},
}


def _wanted(cycle_id: Name = None, role: Role | None = None, category: Name = None) -> Wanted:
    return Wanted(cycle_id, role, category)


def _filter(
    cycle_id: Name = None,
    annotator: Name = None,
    goal_id: Name = None,
    verdict: Annotated[HumanVerdict | None, Query(description="first is A, as it was shown.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Not before this moment.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None,
) -> AnnotationFilter:
    return AnnotationFilter(
        cycle_id=cycle_id, annotator=annotator, goal_id=goal_id, verdict=verdict, since=since, until=until
    )


WantedDep = Annotated[Wanted, Depends(_wanted)]
"""What the person wants to judge, from the query."""


@router.get("", response_model=AnnotationPage)
def list_annotations(
    principal: Viewer,
    workspace: WorkspaceDep,
    wanted: Annotated[AnnotationFilter, Depends(_filter)],
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AnnotationPage:
    """Return annotations that meet all conditions, the newest first, a page at a time."""
    before = position(cursor) if cursor is not None else None
    found = workspace.store.annotation_page(wanted, before=before, limit=limit + 1)
    page = found[:limit]
    return AnnotationPage(annotations=page, next_cursor=cursor_of(page[-1]) if len(found) > limit else None)


@router.post("", status_code=201, response_model=VerdictSaved, responses=_UNKNOWN | _TAKEN_BACK)
def give_verdict(
    verdict: NewVerdict, principal: Annotator, workspace: WorkspaceDep, response: Response
) -> VerdictSaved:
    """Say which of two results is better.

    A later verdict on the same pair replaces one's earlier one. It is kept though the lease on the item is
    over.
    """
    recorded = _record(workspace, principal, verdict)
    response.headers["Location"] = f"/api/v1/annotations/{recorded.annotations[0].id}"
    return VerdictSaved(annotations=list(recorded.annotations), is_new=recorded.is_new)


@router.post("/batch", response_model=BatchResults)
def give_verdicts(batch: Batch, principal: Annotator, workspace: WorkspaceDep) -> BatchResults:
    """Say many things at once: each verdict stands for itself, and a refused one stops no other."""
    results = [_of_batch(workspace, principal, verdict) for verdict in batch.verdicts]
    n_refused = sum(result.status == "refused" for result in results)
    n_saved = sum(result.status == "saved" for result in results)
    return BatchResults(results=results, n_saved=n_saved, n_refused=n_refused)


@router.get("/next", response_model=NextItem, responses=_NOTHING)
def next_item(principal: Annotator, workspace: WorkspaceDep, wanted: WantedDep) -> NextItem:
    """Return what to judge next, which nobody else gets until its lease expires; asked again, the same."""
    offer = workspace.queue.next_item(principal.name, wanted)
    return NextItem(item=None if offer is None else ItemView.of(offer))


@router.post("/next", response_model=NextItem, responses=_NOTHING)
def take_next_item(principal: Annotator, workspace: WorkspaceDep, wanted: WantedDep) -> NextItem:
    """Do what GET does, for clients that want nothing changed by a GET."""
    return next_item(principal, workspace, wanted)


@router.get("/item", response_model=NextItem, responses=_NOTHING)
def get_item(
    principal: Annotator, workspace: WorkspaceDep, first_id: ResultId, second_id: ResultId
) -> NextItem:
    """Return the item of this very pair, judged before or not, unless somebody else has it before them."""
    return NextItem(item=ItemView.of(workspace.queue.offer(first_id, second_id, principal.name)))


@router.post("/skip", status_code=204, response_model=None, responses=_UNKNOWN)
def skip_item(pair: PairNamed, principal: Annotator, workspace: WorkspaceDep) -> None:
    """Pass an item by: it is not shown to you again, unless you undo that or reopen what you skipped."""
    workspace.queue.skip(pair.first_id, pair.second_id, principal.name, repeat=pair.repeat)


@router.post("/reopen-skipped", response_model=Reopened, responses=_NOTHING)
def reopen_skipped(principal: Annotator, workspace: WorkspaceDep, cycle_id: Name = None) -> Reopened:
    """Show again what you skipped in a cycle."""
    return Reopened(n_items=workspace.queue.reopen_skipped(principal.name, cycle_id))


@router.post(
    "/undo", response_model=UndoneView, responses={404: {"description": "There is nothing to undo."}}
)
def undo(principal: Annotator, workspace: WorkspaceDep) -> UndoneView:
    """Take back your last verdict or skip; called again, the one before."""
    undone = workspace.queue.undo(principal.name)
    for annotation in undone.annotations[:1]:
        workspace.access.audit(principal, "annotation.undo", annotation.id)
    item = None if undone.offer is None else ItemView.of(undone.offer)
    return UndoneView(annotations=list(undone.annotations), item=item)


@router.get("/progress", response_model=Progress, responses=_NOTHING)
def get_progress(principal: Annotator, workspace: WorkspaceDep, wanted: WantedDep) -> Progress:
    """Return how far you have come."""
    return progress_of(workspace.store, workspace.queue, principal.name, wanted)


@router.get("/{annotation_id}", response_model=Annotation)
def get_annotation(annotation_id: AnnotationId, principal: Viewer, workspace: WorkspaceDep) -> Annotation:
    """Return one annotation."""
    return workspace.queue.annotation(annotation_id)


@router.get("/{annotation_id}/agents", response_model=AgentsSaid)
def get_agents_said(annotation_id: AnnotationId, principal: Annotator, workspace: WorkspaceDep) -> AgentsSaid:
    """Return what the agents had said of a pair that you judged."""
    annotation = _own(workspace, principal, annotation_id)
    return agents_said(workspace.store, annotation.first_id, annotation.second_id)


@router.patch("/{annotation_id}", response_model=Annotation)
def change_annotation(
    annotation_id: AnnotationId, change: VerdictChange, principal: Annotator, workspace: WorkspaceDep
) -> Annotation:
    """Change your verdict, on all pairs of the same texts."""
    annotation = _own(workspace, principal, annotation_id)
    changed = workspace.queue.change(annotation, change.applied(annotation))
    workspace.access.audit(
        principal, "annotation.update", annotation_id, changed=sorted(change.model_fields_set)
    )
    return next(one for one in changed if one.id == annotation_id)


@router.delete("/{annotation_id}", status_code=204, response_model=None)
def delete_annotation(annotation_id: AnnotationId, principal: Annotator, workspace: WorkspaceDep) -> None:
    """Take your verdict back, on all pairs of the same texts."""
    annotation = _own(workspace, principal, annotation_id)
    workspace.queue.remove(workspace.queue.verdict_of(annotation))
    workspace.access.audit(principal, "annotation.delete", annotation_id, annotator=annotation.annotator)


def _record(workspace: Workspace, principal: Principal, verdict: NewVerdict) -> Recorded:
    recorded = workspace.queue.judge(
        verdict.first_id,
        verdict.second_id,
        principal.name,
        verdict.opinion,
        submission_id=verdict.submission_id,
        repeat=verdict.repeat,
    )
    if recorded.is_new:
        said = recorded.annotations[0]
        workspace.access.audit(principal, "annotation.create", said.id, verdict=str(said.verdict))
    return recorded


def _of_batch(workspace: Workspace, principal: Principal, verdict: NewVerdict) -> BatchResult:
    try:
        recorded = _record(workspace, principal, verdict)
    except CamelxError as e:
        return BatchResult(status="refused", detail=str(e))
    saved = list(recorded.annotations)
    return BatchResult(status="saved" if recorded.is_new else "known", annotations=saved)


def _own(workspace: Workspace, principal: Principal, annotation_id: str) -> Annotation:
    """Return an annotation that the person may change: their own, or any where they are an admin.

    Raises:
        NotFoundError: There is none of that id.
        AccessError: It is somebody else's, or was settled and the person is no admin any more.
    """
    annotation = workspace.queue.annotation(annotation_id)
    if annotation.adjudicated:
        allow(principal, AccessRole.ADMIN)
    if annotation.annotator == principal.name or principal.role is AccessRole.ADMIN:
        return annotation
    raise AccessError(
        f"annotation {annotation_id} is {annotation.annotator}'s; {principal.name} may change their own, an "
        "admin those of all"
    )
