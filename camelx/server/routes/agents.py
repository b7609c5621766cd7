"""/api/v1/agents: the agents file, checked and saved under a version, its history, templates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from camelx.agent_files import DEFAULT_FILE, EditConflictError, read_form, templates, unified_diff
from camelx.config import agents_mistakes, masked
from camelx.schemas import AccessRole, Principal
from camelx.server.dependencies import Operator, Viewer, WorkspaceDep
from camelx.server.problems import MEDIA_TYPE, problem
from camelx.server.routes.agent_views import (
    AgentsView,
    Checked,
    ConflictProblem,
    MistakeView,
    NewText,
    TemplateView,
    TextToCheck,
    VersionText,
    VersionView,
)

router = APIRouter(prefix="/api/v1/agents", tags=["agents"])

File = Annotated[
    str, Query(max_length=120, description="A file of the configs folder.", examples=[DEFAULT_FILE])
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[4])]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=200, description="The etag that the edit is based on.", examples=['"4-9f86d081884c7d65"']
    ),
]
_SAVING: dict[int | str, dict[str, Any]] = {
    412: {"model": ConflictProblem, "description": "Somebody else changed the file; nothing was written."},
    428: {"description": "If-Match is missing: say which state the edit is based on."},
}


@router.get("", responses={404: {"description": "There is no such agents file."}})
def get_agents(
    principal: Viewer, workspace: WorkspaceDep, response: Response, file: File = DEFAULT_FILE
) -> AgentsView:
    """Return the agents file as it is: text, what it declares, its mistakes, its version."""
    view = AgentsView.of(workspace.agent_files.read(file))
    response.headers["ETag"] = f'"{view.etag}"'
    return view


@router.get(
    "/text",
    response_class=PlainTextResponse,
    responses={200: {"description": "The file.", "content": {"application/yaml": {}}}},
)
def download_agents(principal: Viewer, workspace: WorkspaceDep, file: File = DEFAULT_FILE) -> Response:
    """Return the agents file as a download."""
    state = workspace.agent_files.read(file)
    headers = {"Content-Disposition": f'attachment; filename="{state.file}"', "ETag": f'"{state.etag}"'}
    return Response(state.text, media_type="application/yaml", headers=headers)


@router.get("/files")
def list_files(principal: Viewer, workspace: WorkspaceDep) -> list[str]:
    """Return the names of the agents files that can be edited."""
    return workspace.agent_files.names()


@router.put("", response_model=AgentsView, responses=_SAVING)
def put_agents(
    new: NewText,
    request: Request,
    response: Response,
    principal: Operator,
    workspace: WorkspaceDep,
    if_match: IfMatch = None,
    file: File = DEFAULT_FILE,
) -> AgentsView | Response:
    """Save a text that is based on the state that If-Match names; a text with mistakes is not saved."""
    if if_match is None:
        return _missing(request)
    try:
        saved = workspace.agent_files.save(
            new.text,
            based_on=_etag(if_match),
            author=principal.name,
            file=file,
            note=new.note,
            may_name_code=_is_admin(principal),
        )
    except EditConflictError as e:
        return _conflict(request, e)
    workspace.access.audit(principal, "agents.save", file, version=saved.etag, note=new.note)
    view = AgentsView.of(saved)
    response.headers["ETag"] = f'"{view.etag}"'
    return view


@router.post("/validate")
def validate_agents(
    asked: TextToCheck, principal: Viewer, workspace: WorkspaceDep, file: File = DEFAULT_FILE
) -> Checked:
    """Return what is wrong with a text and what it would change; nothing is saved."""
    current = workspace.agent_files.read(file)
    return Checked(
        mistakes=[MistakeView.of(mistake) for mistake in agents_mistakes(asked.text)],
        parsed=read_form(masked(asked.text)),
        diff=unified_diff(current.text, masked(asked.text), f"{file} now", "yours"),
    )


@router.get("/versions")
def list_versions(principal: Viewer, workspace: WorkspaceDep, file: File = DEFAULT_FILE) -> list[VersionView]:
    """Return the newest 200 states of the file, newest first."""
    return [VersionView.of(version) for version in workspace.agent_files.versions(file)]


@router.get("/versions/{number}", responses={404: {"description": "There is no such version."}})
def get_version(
    number: Number, principal: Viewer, workspace: WorkspaceDep, file: File = DEFAULT_FILE
) -> VersionText:
    """Return one state of the file, and what differs from it now."""
    version, current = workspace.agent_files.version(number, file), workspace.agent_files.read(file)
    diff = unified_diff(version.text, current.text, f"version {number}", f"{file} now")
    return VersionText(**VersionView.of(version).model_dump(), text=version.text, diff=diff)


@router.post("/versions/{number}/restore", response_model=AgentsView, responses=_SAVING)
def restore_version(
    number: Number,
    request: Request,
    principal: Operator,
    workspace: WorkspaceDep,
    if_match: IfMatch = None,
    file: File = DEFAULT_FILE,
) -> AgentsView | Response:
    """Write an earlier text again, as a new version."""
    if if_match is None:
        return _missing(request)
    try:
        restored = workspace.agent_files.restore(
            number,
            based_on=_etag(if_match),
            author=principal.name,
            file=file,
            may_name_code=_is_admin(principal),
        )
    except EditConflictError as e:
        return _conflict(request, e)
    workspace.access.audit(principal, "agents.restore", file, version=restored.etag, restored=number)
    return AgentsView.of(restored)


@router.get("/templates")
def list_templates(principal: Viewer) -> list[TemplateView]:
    """Return workflows to begin with."""
    return [TemplateView.of(template) for template in templates()]


def _etag(header: str) -> str:
    return header.strip().removeprefix("W/").strip('"')


def _is_admin(principal: Principal) -> bool:
    return principal.role.includes(AccessRole.ADMIN)


def _missing(request: Request) -> JSONResponse:
    return problem(
        request.scope,
        428,
        "send If-Match with the etag that the edit is based on: GET /api/v1/agents gives it",
    )


def _conflict(request: Request, error: EditConflictError) -> JSONResponse:
    body = {
        **_body(problem(request.scope, 412, str(error))),
        "etag": error.current.etag,
        "current": error.current.text,
        "diff": error.diff,
    }
    return JSONResponse(body, 412, headers={"ETag": f'"{error.current.etag}"'}, media_type=MEDIA_TYPE)


def _body(response: JSONResponse) -> dict[str, Any]:
    import json

    body: dict[str, Any] = json.loads(bytes(response.body))
    return body
