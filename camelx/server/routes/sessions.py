"""/api/v1/sessions: conversations with agents; each is its owner's, an admin may read all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.openapi.models import Example

from camelx.server.dependencies import Annotator, WorkspaceDep
from camelx.server.routes.session_views import NewSession, SessionDetail, SessionInfo
from camelx.sessions import Input

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])

SessionId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$", examples=["9f2c4e0d1b7a5c3e8d6f0a12"])]
_INPUTS: dict[str, Example] = {
    "message": Example(value={"type": "message", "text": "How many apples are left?"}),
    "approve": Example(value={"type": "approve"}),
    "redirect": Example(value={"type": "redirect", "text": "Begin with what he gave away."}),
    "pick": Example(value={"type": "pick", "verdict": "a", "rationale": "It counts right."}),
}


@router.get("")
def list_sessions(
    principal: Annotator,
    workspace: WorkspaceDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[SessionInfo]:
    """Return one's own sessions, the latest first; an admin gets everybody's."""
    sessions = workspace.sessions
    return [
        SessionInfo.of(s, is_running=sessions.is_running(s.id))
        for s in sessions.sessions(principal, limit=limit)
    ]


@router.post("", status_code=201)
def create_session(
    asked: NewSession, principal: Annotator, workspace: WorkspaceDep, response: Response
) -> SessionInfo:
    """Begin a session."""
    session = workspace.sessions.create(principal, asked)
    response.headers["Location"] = f"/api/v1/sessions/{session.id}"
    return SessionInfo.of(session, is_running=True)


@router.get("/{session_id}")
def get_session(
    session_id: SessionId,
    principal: Annotator,
    workspace: WorkspaceDep,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only events behind this number.")] = 0,
) -> SessionDetail:
    """Return a session as it is now, with what happened in it."""
    return SessionDetail.seen(workspace.sessions.view(principal, session_id, after=after))


@router.post("/{session_id}/inputs", status_code=202, response_model=None)
def send_input(
    session_id: SessionId,
    sent: Annotated[Input, Body(openapi_examples=_INPUTS)],
    principal: Annotator,
    workspace: WorkspaceDep,
) -> None:
    """Say something, decide, pick, interject or stop; what follows happens in the session's own time."""
    workspace.sessions.send(principal, session_id, sent)


@router.post("/{session_id}/close")
def close_session(session_id: SessionId, principal: Annotator, workspace: WorkspaceDep) -> SessionInfo:
    """End a session; the next message opens it again."""
    return SessionInfo.of(workspace.sessions.end(principal, session_id), is_running=False)


@router.delete("/{session_id}", status_code=204, response_model=None)
def delete_session(session_id: SessionId, principal: Annotator, workspace: WorkspaceDep) -> None:
    """Forget what was said in a session; its interactions and picks stay with those of cycles."""
    workspace.sessions.delete(principal, session_id)
