"""/api/v1/users: who may sign in, for admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from camelx.schemas import AccessRole, User
from camelx.server.dependencies import Admin, WorkspaceDep

router = APIRouter(prefix="/api/v1/users", tags=["users"])

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$"
Name = Annotated[str, Path(pattern=_NAME, examples=["ada"])]


class UserView(BaseModel):
    """Somebody who may sign in."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["ada"])
    role: AccessRole
    is_active: bool
    created_at: datetime


class NewUser(BaseModel):
    """Whom to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=_NAME, examples=["ada"])
    role: AccessRole = AccessRole.ANNOTATOR
    password: str = Field(
        min_length=10, max_length=1_024, repr=False, examples=["correct horse battery staple"]
    )


class UserChange(BaseModel):
    """What to change; what is not named stays. The user's sessions end."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    role: AccessRole | None = None
    is_active: bool | None = None
    password: str | None = Field(default=None, min_length=10, max_length=1_024, repr=False)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.role is None and self.is_active is None and self.password is None:
            raise ValueError("nothing to change; expected role, is_active or password")
        return self


@router.get("", response_model=list[UserView])
def list_users(principal: Admin, workspace: WorkspaceDep) -> list[User]:
    """Return all users by name, those who may not sign in any more too."""
    return workspace.access.users()


@router.post("", status_code=201, response_model=UserView)
def add_user(user: NewUser, principal: Admin, workspace: WorkspaceDep, response: Response) -> User:
    """Add somebody who may sign in."""
    added = workspace.access.add_user(user.name, user.role, user.password, by=principal)
    response.headers["Location"] = f"/api/v1/users/{added.name}"
    return added


@router.get("/{name}", response_model=UserView)
def get_user(name: Name, principal: Admin, workspace: WorkspaceDep) -> User:
    """Return one user."""
    return workspace.access.user(name)


@router.patch("/{name}", response_model=UserView)
def change_user(name: Name, change: UserChange, principal: Admin, workspace: WorkspaceDep) -> User:
    """Give a user another role or password, or let them in or out."""
    access = workspace.access
    user = access.user(name)
    if change.role is not None or change.is_active is not None:
        user = access.change_user(name, role=change.role, is_active=change.is_active, by=principal)
    if change.password is not None:
        user = access.set_password(name, change.password, by=principal)
    return user


@router.delete("/{name}", status_code=204, response_model=None)
def deactivate_user(name: Name, principal: Admin, workspace: WorkspaceDep) -> None:
    """Let a user in no more; the name stays taken, for annotations and the audit trail tell of it."""
    workspace.access.change_user(name, is_active=False, by=principal)
