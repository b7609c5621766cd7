"""What routes ask for: the workspace, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from camelx.access import allow
from camelx.schemas import AccessRole, Principal
from camelx.server.identity import identify
from camelx.workspace import Workspace


def _workspace(connection: HTTPConnection) -> Workspace:
    workspace: Workspace = connection.app.state.workspace
    return workspace


WorkspaceDep = Annotated[Workspace, Depends(_workspace)]


def current_principal(connection: HTTPConnection, workspace: WorkspaceDep) -> Principal:
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
