"""What routes ask for: the workspace, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.openapi.models import APIKey, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from camelx.access import allow
from camelx.schemas import AccessRole, Principal
from camelx.server.identity import identify
from camelx.workspace import Workspace


def _workspace(connection: HTTPConnection) -> Workspace:
    workspace: Workspace = connection.app.state.workspace
    return workspace


WorkspaceDep = Annotated[Workspace, Depends(_workspace)]


class _WayToSignIn(SecurityBase):
    """Names in the OpenAPI document how who asks may be known; `identify` reads it, whichever it is."""

    def __init__(self, name: str, model: HTTPBearer | APIKey) -> None:
        self.scheme_name, self.model = name, model

    async def __call__(self) -> None:
        """Do nothing, and not in a thread of its own, as FastAPI calls what is not async."""


_COOKIE = APIKey.model_validate(
    {
        "in": "cookie",
        "name": "camelx_session",
        "description": "The session of somebody signed in on the page; over HTTPS `__Host-camelx_session`.",
    }
)
_Bearer = Annotated[None, Security(_WayToSignIn("bearer", HTTPBearer()))]
_Session = Annotated[None, Security(_WayToSignIn("session", _COOKIE))]


def current_principal(
    connection: HTTPConnection, workspace: WorkspaceDep, bearer: _Bearer = None, session: _Session = None
) -> Principal:
    """Return who asks, on HTTP and on a WebSocket.

    Raises:
        AccessError: Nobody is signed in.
    """
    return identify(connection, workspace.access)


def require(role: AccessRole) -> Any:
    """Return the dependency that gives the principal, where they may do what `role` may."""

    def checked(principal: Annotated[Principal, Depends(current_principal)]) -> Principal:
        return allow(principal, role)

    checked.role = role  # type: ignore[attr-defined]  # the test that walks all routes reads it
    made: Callable[..., Principal] = checked
    return Depends(made)


Viewer = Annotated[Principal, require(AccessRole.VIEWER)]
Annotator = Annotated[Principal, require(AccessRole.ANNOTATOR)]
Operator = Annotated[Principal, require(AccessRole.OPERATOR)]
Admin = Annotated[Principal, require(AccessRole.ADMIN)]
