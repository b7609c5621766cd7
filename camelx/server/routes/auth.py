"""/api/v1/auth: a program's token for a name and a password; who asks; another password."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field

from camelx.access import Access
from camelx.errors import AccessError, ConfigError
from camelx.schemas import AccessRole, User
from camelx.server.dependencies import Viewer, WorkspaceDep
from camelx.server.middleware.rates import Rates, address_of, too_many

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])
logger = logging.getLogger(__name__)


class Credentials(BaseModel):
    """A name and its password."""

    name: str = Field(max_length=64, examples=["ada"])
    password: str = Field(max_length=1_024, repr=False, examples=["correct horse battery staple"])


class SignedToken(BaseModel):
    """A token for a program, to be sent as `Authorization: Bearer`."""

    access_token: str = Field(repr=False)
    token_type: str = "bearer"
    expires_in: int = Field(description="Seconds that it is good for.", examples=[900])


class Me(BaseModel):
    """Who asks."""

    name: str = Field(examples=["ada"])
    role: AccessRole
    via: str = Field(description="local, session, jwt or token.", examples=["session"])
    sign_in_required: bool


class NewPassword(BaseModel):
    """The old password and the new one."""

    old: str = Field(max_length=1_024, repr=False)
    new: str = Field(max_length=1_024, repr=False)


@router.post("/token", response_model=SignedToken)
def make_token(
    credentials: Annotated[Credentials, Body()], request: Request, response: Response, workspace: WorkspaceDep
) -> SignedToken | Response:
    """Return a token for a program, good for some minutes; for longer use make an API token."""
    if wait := tries_left(request, credentials.name):
        return too_many(request.scope, wait)
    user = checked_sign_in(workspace.access, credentials, request)
    text, seconds = workspace.access.jwt_of(user)
    response.headers["Cache-Control"] = "no-store"
    return SignedToken(access_token=text, expires_in=seconds)


@router.get("/me", response_model=Me)
def me(principal: Viewer, workspace: WorkspaceDep) -> Me:
    """Return who asks and what they may do."""
    return Me(
        name=principal.name,
        role=principal.role,
        via=principal.via,
        sign_in_required=workspace.access.is_required,
    )


@router.put("/password", status_code=204, response_model=None)
def change_password(
    passwords: NewPassword, principal: Viewer, request: Request, workspace: WorkspaceDep
) -> Response:
    """Give oneself another password; all one's sessions end, API tokens stay."""
    if principal.via == "local":
        raise ConfigError("nobody signs in here, so there is no password to change")
    if wait := tries_left(request, principal.name):
        return too_many(request.scope, wait)
    try:
        workspace.access.sign_in(principal.name, passwords.old)
    except AccessError as e:
        raise AccessError("the old password is wrong") from e
    workspace.access.set_password(principal.name, passwords.new, by=principal)
    return Response(status_code=204)


def tries_left(request: Request, name: str) -> int:
    """Count one attempt to sign in; return 0, or for how many seconds there are to be no more."""
    rates: Rates = request.app.state.rates
    return rates.sign_in_wait(name, address_of(request))


def checked_sign_in(access: Access, credentials: Credentials, request: Request) -> User:
    """Return the user whose name and password these are.

    Raises:
        AccessError: They are not.
    """
    try:
        user = access.sign_in(credentials.name, credentials.password)
    except AccessError:
        # Not the name: people type their password there.
        logger.warning("a sign-in from %s failed", address_of(request))
        raise
    rates: Rates = request.app.state.rates
    rates.signed_in(user.name)
    logger.info("%s signed in from %s", user.name, address_of(request))
    return user
