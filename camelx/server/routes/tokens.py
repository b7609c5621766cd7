"""/api/v1/tokens: API tokens for programs; one's own, and for admins everybody's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from camelx.schemas import AccessRole, ApiToken
from camelx.server.dependencies import Viewer, WorkspaceDep

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])


class TokenView(BaseModel):
    """An API token, without its text: nobody can have that again."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["9f86d081884c7d65"])
    user_name: str = Field(examples=["ada"])
    label: str = Field(examples=["nightly export"])
    role: AccessRole
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(BaseModel):
    """What the token is for."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(min_length=1, max_length=200, examples=["nightly export"])
    role: AccessRole | None = Field(default=None, description="At most the user's own, which is the default.")
    expires_in_days: int | None = Field(
        default=90, ge=1, le=3_650, description="null: good until it is revoked."
    )
    user_name: str | None = Field(default=None, description="Whose; for admins. Default: one's own.")


class MadeToken(TokenView):
    """A new token with its text, which is shown this once."""

    token: str = Field(repr=False, examples=["camelx_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])


@router.get("", response_model=list[TokenView])
def list_tokens(principal: Viewer, workspace: WorkspaceDep) -> list[ApiToken]:
    """Return one's own tokens, an admin's all; those that were revoked too."""
    is_admin = principal.role is AccessRole.ADMIN
    return workspace.access.tokens.list(None if is_admin else principal.name)


@router.post("", status_code=201, response_model=MadeToken)
def make_token(new: NewToken, principal: Viewer, workspace: WorkspaceDep, response: Response) -> MadeToken:
    """Return a new token with its text, which can't be had again."""
    days = None if new.expires_in_days is None else timedelta(days=new.expires_in_days)
    whose = new.user_name or principal.name
    token, text = workspace.access.make_token(whose, new.label, new.role, days, by=principal)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/tokens/{token.id}"
    return MadeToken(**TokenView.model_validate(token).model_dump(), token=text)


@router.delete("/{token_id}", status_code=204, response_model=None)
def revoke_token(
    token_id: Annotated[str, Path(max_length=64)], principal: Viewer, workspace: WorkspaceDep
) -> None:
    """Make a token useless from now on."""
    workspace.access.revoke_token(token_id, by=principal)
