"""/api/v1/audit: who changed what, for admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from camelx.server.dependencies import Admin, WorkspaceDep

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

_HIGHEST = 2**31 - 1


class AuditView(BaseModel):
    """Who changed what, and when."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[412])
    at: datetime
    actor: str = Field(examples=["ada"])
    action: str = Field(examples=["model.promote"])
    subject: str = Field(examples=["camelx-demo/3"])
    details: dict[str, Any]
    trace_id: str | None


class AuditPage(BaseModel):
    """Some entries, newest first."""

    items: list[AuditView]
    next_cursor: int | None = Field(description="Ask with it for the page after this one; null: the last.")


@router.get("", response_model=AuditPage)
def read_trail(
    principal: Admin,
    workspace: WorkspaceDep,
    actor: Annotated[str | None, Query(max_length=200, description="Who did it.")] = None,
    action: Annotated[
        str | None,
        Query(max_length=100, description='What was done; "model" finds "model.promote" too.'),
    ] = None,
    subject: Annotated[str | None, Query(max_length=500, description="What it was done to.")] = None,
    cursor: Annotated[int | None, Query(ge=1, le=_HIGHEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    """Return who changed what, newest first."""
    found = workspace.access.trail(
        actor=actor, action=action, subject=subject, before=cursor, limit=limit + 1
    )
    items = [AuditView.model_validate(entry) for entry in found[:limit]]
    return AuditPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)
