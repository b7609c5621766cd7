"""/api/v1/goals: what agents work on, what a cycle did with one, and goals from files."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, File, Path, Query, UploadFile

from camelx.cycles.goal_uploads import GoalUpload, upload_goals
from camelx.errors import ConfigError, NotFoundError
from camelx.lineage.goal_thread import GoalThread, goal_thread
from camelx.schemas import Goal, GoalPage, Split, VerifierKind
from camelx.server.dependencies import Operator, Viewer, WorkspaceDep

router = APIRouter(prefix="/api/v1/goals", tags=["goals"])

GoalId = Annotated[str, Path(pattern=r"^[!-~]{1,200}$", examples=["02d837c24e4aa722c292967a"])]
_SUFFIX = re.compile(r"\.(jsonl|json|csv|parquet)$")


@router.get("")
def list_goals(
    principal: Viewer,
    workspace: WorkspaceDep,
    split: Split | None = None,
    source: Annotated[str | None, Query(max_length=500, examples=["demo"])] = None,
    text: Annotated[str | None, Query(max_length=500, description="What the goal's text holds.")] = None,
    cursor: Annotated[str | None, Query(max_length=400, description="Of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> GoalPage:
    """Return a page of goals, by id."""
    return workspace.store.goal_page(split=split, source=source, containing=text, cursor=cursor, limit=limit)


@router.post("/import")
def import_goals(
    principal: Operator,
    workspace: WorkspaceDep,
    file: Annotated[UploadFile, File(description="JSONL, JSON, CSV or parquet.")],
    field: Annotated[
        list[Annotated[str, Query(max_length=300)]] | None,
        Query(description="GOAL_FIELD=COLUMN, such as text=question; without any the first row tells."),
    ] = None,
    preset: Annotated[str | None, Query(max_length=50, examples=["gsm8k"])] = None,
    split: Split = Split.TRAIN,
    heldout_share: Annotated[float, Query(ge=0, le=1, description="Share that goes to the hold-out.")] = 0.0,
    verifier: VerifierKind | None = None,
    update: Annotated[bool, Query(description="Give stored goals the file's answers.")] = False,
    dry_run: Annotated[bool, Query(description="Only say what would become of the rows.")] = True,
    strict: Annotated[bool, Query(description="Take nothing from a file with a broken row.")] = False,
) -> GoalUpload:
    """Import goals from a file, or say, row by row, what that would do."""
    name = FilePath((file.filename or "goals").replace("\\", "/")).name[:200]
    suffix = _SUFFIX.search(name.lower())
    if suffix is None:
        raise ConfigError(f"{name!r}: expected a file that ends in .jsonl, .json, .csv or .parquet")
    with tempfile.TemporaryDirectory(prefix="camelx-goals-") as folder:
        path = FilePath(folder) / f"goals{suffix.group()}"
        with path.open("wb") as out:
            while chunk := file.file.read(2**20):
                out.write(chunk)
        done = upload_goals(
            path,
            name,
            dry_run=dry_run,
            strict=strict,
            fields=fields_of(field or []),
            preset=preset,
            split=split,
            heldout_share=heldout_share,
            verifier=verifier,
            update=update,
        )
    if not dry_run:
        workspace.access.audit(principal, "goal.import", name, **done.counts)
    return done


@router.get("/{goal_id}")
def get_goal(goal_id: GoalId, principal: Viewer, workspace: WorkspaceDep) -> Goal:
    """Return one goal."""
    found = workspace.store.goals(ids=[goal_id])
    if not found:
        raise NotFoundError(f"there is no goal {goal_id!r}")
    return found[0]


@router.get("/{goal_id}/thread")
def get_thread(
    goal_id: GoalId,
    principal: Viewer,
    workspace: WorkspaceDep,
    cycle_id: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["c7"])],
) -> GoalThread:
    """Return all that a cycle did with a goal: proposals, executions, verdicts, pairs."""
    return goal_thread(workspace.store, workspace.settings, cycle_id, goal_id)


def fields_of(named: list[str]) -> dict[str, str] | None:
    """Return the columns of goal fields that are named as "field=column"; None: no field is.

    Raises:
        ConfigError: One has no equals sign.
    """
    fields = {}
    for pair in named:
        name, equals, column = pair.partition("=")
        if not equals:
            raise ConfigError(f"field {pair!r}: expected GOAL_FIELD=COLUMN, such as text=question")
        fields[name.strip()] = column.strip()
    return fields or None
