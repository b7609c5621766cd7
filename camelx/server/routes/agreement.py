"""/api/v1/agreement: how far people and reviewers agree, what admins settle, annotations as files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, File, Query, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from camelx.annotation.agreement import AgreementReport, agreement_report
from camelx.annotation.exchange import ExchangeFormat, format_of, write_annotations
from camelx.annotation.importing import AnnotationImport, Outcome, RowOutcome, import_annotations
from camelx.annotation.settling import settle_pair, unsettle_pair, withdraw, withdraw_some
from camelx.errors import NotFoundError
from camelx.schemas import Annotation
from camelx.server.dependencies import Admin, Viewer, WorkspaceDep
from camelx.workspace import Workspace

router = APIRouter(prefix="/api/v1/agreement", tags=["agreement"])

MEDIA_TYPES = {
    ExchangeFormat.JSONL: "application/jsonl",
    ExchangeFormat.CSV: "text/csv",
    ExchangeFormat.PARQUET: "application/vnd.apache.parquet",
}
_MOST_ROWS = 500
_ID = r"^[!-~]{1,200}$"
CycleId = Annotated[
    str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Only on results of this cycle.")
]
ResultId = Annotated[str, Query(pattern=_ID, description="One of the two results.")]


class Settlement(BaseModel):
    """What holds of a pair from now on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "first_id": "5f1c0a9e2b7d4c3e8a6f9b01",
                    "second_id": "a07be31944d2c8f65b3e1d20",
                    "preferred": "a07be31944d2c8f65b3e1d20",
                    "rationale": "The first one adds where it should subtract.",
                }
            ]
        }
    )

    first_id: str = Field(pattern=_ID)
    second_id: str = Field(pattern=_ID)
    preferred: str = Field(pattern=_ID, description="The better one's id, tie or both_bad.")
    rationale: str | None = Field(default=None, max_length=4_000)
    edited_text: str | None = Field(default=None, max_length=40_000, description="A better answer.")


class SettledView(BaseModel):
    """One settled verdict; pairs of the same texts are settled together."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    first_id: str
    second_id: str
    verdict: str = Field(examples=["second"])
    annotator: str = Field(description="Who settled it.", examples=["root"])


class Withdrawal(BaseModel):
    """Which annotations are taken back: one person's, or those of some ids."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"annotator": "ben", "cycle_id": "c7"}]})

    annotator: str | None = Field(default=None, min_length=1, max_length=200)
    cycle_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    ids: list[Annotated[str, Field(pattern=_ID)]] | None = Field(default=None, min_length=1, max_length=5_000)

    @model_validator(mode="after")
    def _names_one(self) -> Withdrawal:
        if (self.annotator is None) == (self.ids is None):
            raise ValueError("name an annotator or ids, and not both")
        if self.ids is not None and self.cycle_id is not None:
            raise ValueError("cycle_id goes with an annotator")
        return self


class Withdrawn(BaseModel):
    """What was taken back."""

    annotations: int = Field(examples=[40])


class ImportView(BaseModel):
    """What became, or would become, of a file's rows."""

    file: str = Field(examples=["verdicts.csv"])
    is_dry_run: bool
    counts: dict[Outcome, int] = Field(examples=[{"added": 38, "changed": 2, "unchanged": 0, "refused": 1}])
    rows: list[RowOutcome] = Field(description=f"At most {_MOST_ROWS}, refused ones first.")


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


@router.put("/settled")
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
    )
    workspace.access.audit(principal, "annotation.settle", " ".join(pair), preferred=asked.preferred)
    return _settled(settled)


@router.delete("/settled")
def unsettle(
    principal: Admin, workspace: WorkspaceDep, first_id: ResultId, second_id: ResultId
) -> list[SettledView]:
    """Take back what was settled of a pair, and return it: what people said counts again."""
    gone = unsettle_pair(workspace.queue, workspace.store, (first_id, second_id))
    workspace.access.audit(principal, "annotation.unsettle", f"{first_id} {second_id}")
    return _settled(gone)


@router.post("/withdraw")
def withdraw_annotations(asked: Withdrawal, principal: Admin, workspace: WorkspaceDep) -> Withdrawn:
    """Take back all of a person's annotations, or some by id; their items are open again."""
    if asked.annotator is not None:
        n = withdraw(workspace.queue, workspace.store, asked.annotator, asked.cycle_id)
        workspace.access.audit(
            principal, "annotation.withdraw", asked.annotator, cycle_id=asked.cycle_id, annotations=n
        )
        return Withdrawn(annotations=n)
    ids = set(asked.ids or ())
    found = workspace.store.annotations_by_id(ids)
    if unknown := sorted(ids - found.keys()):
        raise NotFoundError(f"there is no annotation {unknown[0]!r}; nothing was taken back")
    withdraw_some(workspace.queue, workspace.store, list(found.values()))
    for one in sorted(found):
        workspace.access.audit(principal, "annotation.withdraw", one)
    return Withdrawn(annotations=len(found))


def _check_cycle(workspace: Workspace, cycle_id: str | None) -> None:
    if cycle_id is not None:
        workspace.cycles.cycle(cycle_id)


def _settled(annotations: Sequence[Annotation]) -> list[SettledView]:
    return [SettledView.model_validate(annotation) for annotation in annotations]


def _view(done: AnnotationImport) -> ImportView:
    refused_first = sorted(done.rows, key=lambda row: row.outcome != "refused")
    values: dict[str, Any] = {"rows": refused_first[:_MOST_ROWS]}
    return ImportView(file=done.file, is_dry_run=done.is_dry_run, counts=done.counts, **values)
