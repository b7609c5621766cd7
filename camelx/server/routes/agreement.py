"""/api/v1/agreement: how far people and reviewers agree, what admins settle, annotations as files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, File, Query, UploadFile
from fastapi.responses import FileResponse

from camelx.annotation import batches
from camelx.annotation.agreement import AgreementReport, agreement_report, settled_version
from camelx.annotation.exchange import ExchangeFormat, format_of, write_annotations
from camelx.annotation.importing import AnnotationImport, import_annotations
from camelx.annotation.settling import settle_pair, unsettle_pair
from camelx.errors import NotFoundError
from camelx.schemas import Annotation, Principal
from camelx.server.dependencies import Admin, Viewer, WorkspaceDep
from camelx.server.routes.agreement_views import (
    CYCLE_ID,
    ID,
    MOST_ROWS,
    ImportView,
    Reassigned,
    Reassigning,
    Selection,
    SettledVersion,
    SettledView,
    Settlement,
    Withdrawal,
    Withdrawn,
)
from camelx.workspace import Workspace

router = APIRouter(prefix="/api/v1/agreement", tags=["agreement"])

MEDIA_TYPES = {
    ExchangeFormat.JSONL: "application/jsonl",
    ExchangeFormat.CSV: "text/csv",
    ExchangeFormat.PARQUET: "application/vnd.apache.parquet",
}
CycleId = Annotated[str | None, Query(pattern=CYCLE_ID, description="Only on results of this cycle.")]
ResultId = Annotated[str, Query(pattern=ID, description="One of the two results.")]
_NONE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such annotation."}}
_CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "Somebody judged in between; nothing was changed."}
}
_SETTLED_SINCE: dict[int | str, dict[str, Any]] = {
    409: {"description": "Something else is settled by now than `instead_of` says; nothing was changed."}
}


@router.get("")
def read_agreement(principal: Viewer, workspace: WorkspaceDep, cycle_id: CycleId = None) -> AgreementReport:
    """Return how far people and reviewer agents agree, and the pairs on which people differ."""
    _check_cycle(workspace, cycle_id)
    return agreement_report(workspace.store, cycle_id)


@router.get(
    "/export",
    response_class=FileResponse,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}, "description": "The file."}},
)
def export_annotations(
    principal: Viewer,
    workspace: WorkspaceDep,
    background: BackgroundTasks,
    format: ExchangeFormat = ExchangeFormat.JSONL,
    cycle_id: CycleId = None,
    annotator: Annotated[str | None, Query(max_length=200, description="Only this person's.")] = None,
) -> FileResponse:
    """Return annotations as a file, one a row, verdicts in terms of the results' ids."""
    _check_cycle(workspace, cycle_id)
    folder = tempfile.TemporaryDirectory(prefix="camelx-export-")
    background.add_task(folder.cleanup)
    path = Path(folder.name) / f"annotations.{format}"
    write_annotations(workspace.store.annotations_on(cycle_id, annotator), path, format)
    return FileResponse(path, media_type=MEDIA_TYPES[format], filename=path.name)


@router.post("/import")
def import_file(
    principal: Admin,
    workspace: WorkspaceDep,
    file: Annotated[UploadFile, File(description="A .jsonl, .csv or .parquet file, as the export gives it.")],
    dry_run: Annotated[bool, Query(description="Only say what would become of the rows.")] = True,
    strict: Annotated[bool, Query(description="Take nothing from a file with a refused row.")] = False,
) -> ImportView:
    """Import annotations, or say, row by row, what that would change."""
    name = Path(file.filename or "unnamed").name
    with tempfile.TemporaryDirectory(prefix="camelx-import-") as folder:
        path = Path(folder) / f"annotations.{format_of(Path(name))}"
        with path.open("wb") as out:
            while chunk := file.file.read(2**20):
                out.write(chunk)
        done = import_annotations(workspace.store, path, dry_run=dry_run, strict=strict, name=name)
    if not dry_run:
        workspace.queue.standings.forget_all()
        workspace.access.audit(principal, "annotation.import", name, **done.counts)
    return _view(done)


@router.put("/settled", responses=_SETTLED_SINCE)
def settle(asked: Settlement, principal: Admin, workspace: WorkspaceDep) -> list[SettledView]:
    """Settle a pair, whatever people said of it; what they said stays."""
    pair = (asked.first_id, asked.second_id)
    settled = settle_pair(
        workspace.queue,
        workspace.store,
        pair,
        asked.preferred,
        principal.name,
        rationale=asked.rationale,
        edited_text=asked.edited_text,
        instead_of=asked.instead_of,
    )
    workspace.access.audit(principal, "annotation.settle", " ".join(pair), preferred=asked.preferred)
    return _settled(settled)


@router.delete("/settled", responses=_SETTLED_SINCE)
def unsettle(
    principal: Admin,
    workspace: WorkspaceDep,
    first_id: ResultId,
    second_id: ResultId,
    instead_of: SettledVersion | None = None,
) -> list[SettledView]:
    """Take back what was settled of a pair, and return it: what people said counts again."""
    pair = (first_id, second_id)
    gone = unsettle_pair(workspace.queue, workspace.store, pair, instead_of=instead_of)
    workspace.access.audit(principal, "annotation.unsettle", f"{first_id} {second_id}")
    return _settled(gone)


@router.post("/withdraw", responses=_NONE)
def withdraw_annotations(asked: Withdrawal, principal: Admin, workspace: WorkspaceDep) -> Withdrawn:
    """Take back annotations with all others of the same verdicts, all or none; their items are open again."""
    found = batches.whole(workspace.store, _selected(workspace, asked))
    if not asked.dry_run:
        batches.withdraw(workspace.queue, workspace.store, found)
        _audit(workspace, principal, "annotation.withdraw", asked, found)
    return Withdrawn(annotations=len(found), is_dry_run=asked.dry_run)


@router.post("/reassign", responses=_NONE | _CHANGED)
def reassign_annotations(asked: Reassigning, principal: Admin, workspace: WorkspaceDep) -> Reassigned:
    """Give annotations to the person who judged under a wrong name; what they judged already stays."""
    found = _selected(workspace, asked)
    planned = batches.reassignment(workspace.store, found, asked.to)
    if not asked.dry_run:
        batches.reassign(workspace.queue, workspace.store, planned)
        details = {"to": asked.to, "left": len(planned.left)}
        _audit(workspace, principal, "annotation.reassign", asked, planned.moved, **details)
    return Reassigned(annotations=len(planned.moved), left=list(planned.left), is_dry_run=asked.dry_run)


def _selected(workspace: Workspace, asked: Selection) -> list[Annotation]:
    """Return the annotations that are meant.

    Raises:
        NotFoundError: There is none, or there is none of one of the ids.
    """
    if asked.ids is None:
        return batches.meant(workspace.store, asked.conditions)
    ids = set(asked.ids)
    found = workspace.store.annotations_by_id(ids)
    if unknown := sorted(ids - found.keys()):
        raise NotFoundError(f"there is no annotation {unknown[0]!r}; nothing was changed")
    return [found[one] for one in sorted(found)]


def _audit(
    workspace: Workspace,
    principal: Principal,
    action: str,
    asked: Selection,
    changed: Sequence[Annotation],
    **details: Any,
) -> None:
    """Note each annotation that was named, or all that met the conditions as one."""
    if asked.ids is not None:
        for one in changed:
            workspace.access.audit(principal, action, one.id, annotator=one.annotator, **details)
        return
    conditions = asked.conditions.model_dump(mode="json", exclude_none=True)
    subject = asked.annotator or ", ".join(sorted({one.annotator for one in changed}))
    workspace.access.audit(
        principal, action, subject, annotations=len(changed), conditions=conditions, **details
    )


def _check_cycle(workspace: Workspace, cycle_id: str | None) -> None:
    if cycle_id is not None:
        workspace.cycles.cycle(cycle_id)


def _settled(annotations: Sequence[Annotation]) -> list[SettledView]:
    return [
        SettledView.model_validate(a).model_copy(update={"settled_version": settled_version(a)})
        for a in annotations
    ]


def _view(done: AnnotationImport) -> ImportView:
    refused_first = sorted(done.rows, key=lambda row: row.outcome != "refused")
    values: dict[str, Any] = {"rows": refused_first[:MOST_ROWS]}
    return ImportView(file=done.file, is_dry_run=done.is_dry_run, counts=done.counts, **values)
