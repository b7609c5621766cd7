"""/api/v1/interactions: the log of every model call, filtered, page by page, or as a file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from camelx.annotation.exchange import ExchangeFormat
from camelx.errors import NotFoundError
from camelx.schemas import (
    Interaction,
    InteractionFacets,
    InteractionFilter,
    InteractionLine,
    InteractionStatus,
    Role,
    Stage,
)
from camelx.server.dependencies import Viewer, WorkspaceDep
from camelx.server.interaction_files import interaction_file
from camelx.server.routes.agreement import MEDIA_TYPES

router = APIRouter(prefix="/api/v1/interactions", tags=["interactions"])

InteractionId = Annotated[str, Path(pattern=r"^[!-~]{1,200}$", examples=["5f1c0a9e2b7d4c3e8a6f9b01"])]


class InteractionsView(BaseModel):
    """Some lines of the log, newest first."""

    model_config = ConfigDict(from_attributes=True)

    items: list[InteractionLine]
    next_cursor: str | None = Field(description="Gives the older ones; null: there are none.")
    previous_cursor: str | None = Field(description="Gives the newer ones; null: these are the newest.")
    total: int | None = Field(
        default=None,
        description="How many there are, where that was asked for; null also for more than 10,000.",
    )


class FilterQuery(BaseModel):
    """Filters; interactions that meet all of them are wanted."""

    model_config = ConfigDict(extra="forbid")

    cycle_id: Annotated[str | None, Query(max_length=200, examples=["c7"])] = None
    goal_id: Annotated[str | None, Query(max_length=200)] = None
    agent: Annotated[str | None, Query(max_length=500, examples=["executor-1"])] = None
    role: Role | None = None
    model: Annotated[str | None, Query(max_length=500, examples=["demo"])] = None
    status: InteractionStatus | None = None
    stage: Stage | None = None
    text: Annotated[
        str | None,
        Query(max_length=500, description='Words of prompt, answer or error; "several that stand together".'),
    ] = None
    since: Annotated[AwareDatetime | None, Query(description="Not before this moment.")] = None
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None

    def wanted(self) -> InteractionFilter:
        """Return the filter."""
        return InteractionFilter(**{name: getattr(self, name) for name in InteractionFilter.model_fields})


class PageQuery(FilterQuery):
    """Which page of what is wanted."""

    cursor: Annotated[str | None, Query(max_length=200, description="A cursor of another page.")] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50
    count: Annotated[bool, Query(description="Whether to count all that are wanted, up to 10,000.")] = False


class ExportQuery(FilterQuery):
    """As which file what is wanted comes."""

    format: ExchangeFormat = ExchangeFormat.JSONL


@router.get("")
def list_interactions(
    principal: Viewer, workspace: WorkspaceDep, asked: Annotated[PageQuery, Query()]
) -> InteractionsView:
    """Return a page of interactions, newest first."""
    wanted = asked.wanted()
    page = workspace.store.interaction_page(wanted, cursor=asked.cursor, limit=asked.limit)
    total = workspace.store.count_interactions(wanted) if asked.count else None
    return InteractionsView.model_validate(page).model_copy(update={"total": total})


@router.get("/facets")
def list_facets(principal: Viewer, workspace: WorkspaceDep) -> InteractionFacets:
    """Return the values that interactions can be filtered by."""
    return workspace.store.interaction_facets()


_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {kind: {} for kind in MEDIA_TYPES.values()}}
}


@router.get("/export", response_class=StreamingResponse, responses=_FILES)
def export_interactions(
    principal: Viewer, workspace: WorkspaceDep, asked: Annotated[ExportQuery, Query()]
) -> StreamingResponse:
    """Return all interactions that are wanted as a file, sent while it is read."""
    wanted = asked.wanted()
    workspace.store.interaction_page(
        wanted, limit=1
    )  # what can't be asked for is refused before the file begins
    pieces = interaction_file(workspace.store.interactions_wanted(wanted), asked.format)
    name = f"interactions.{asked.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[asked.format], headers=headers)


@router.get("/{interaction_id}")
def get_interaction(interaction_id: InteractionId, principal: Viewer, workspace: WorkspaceDep) -> Interaction:
    """Return one interaction whole: messages, answer, tool calls, costs."""
    found = workspace.store.interactions_by_id([interaction_id])
    if not found:
        raise NotFoundError(f"there is no interaction {interaction_id!r}")
    return found[interaction_id]
