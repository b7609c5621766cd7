"""/api/v1/models: the registered versions, what is known of them, and which one is in use."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from camelx.server.dependencies import Annotator, Operator, Viewer, WorkspaceDep
from camelx.versions import (
    MAX_GOAL_CHARACTERS,
    Answer,
    CurvePoint,
    Lineage,
    Version,
    VersionComparison,
)

router = APIRouter(prefix="/api/v1/models", tags=["models"])

Name = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$",
        description="The model; the one of the project's config where it is left out.",
        examples=["camelx-policy"],
    ),
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[3])]
_GONE: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such version."},
    503: {"description": "MLflow can't be reached."},
}
_CHANGED: dict[int | str, dict[str, Any]] = {
    **_GONE,
    409: {"description": "Another version is the champion by now, or there is none to go back to."},
}


class ModelsView(BaseModel):
    """All versions of a model."""

    name: str = Field(examples=["camelx-policy"])
    names: list[str] = Field(description="All models that there are.")
    champion: int | None = Field(description="The version in use; None: nothing was promoted yet.")
    before_champion: int | None = Field(description="What a rollback would put in use; None: nothing.")
    versions: list[Version] = Field(description="Newest first.")


class Change(BaseModel):
    """Under which condition the champion is changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"instead_of": 2}]})

    instead_of: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="The champion that you saw, 0 for none: 409 if it is another by now. None: whichever.",
    )


class Card(BaseModel):
    """A model card."""

    markdown: str = Field(description="May hold what models and people wrote: show it escaped.")


VersionOrBase = Annotated[
    Annotated[int, Field(ge=1, lt=10**9)] | Annotated[str, Field(pattern=r"^([1-9][0-9]{0,8}|base)$")],
    Field(description='A version\'s number, or "base".'),
]


class Question(BaseModel):
    """A goal for two versions."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"goal": "How much is 12 plus 30?", "a": "base", "b": 3}]},
    )

    goal: str = Field(min_length=1, max_length=MAX_GOAL_CHARACTERS)
    a: VersionOrBase
    b: VersionOrBase


@router.get("", responses={503: _GONE[503]})
def list_models(principal: Viewer, workspace: WorkspaceDep, name: Name = None) -> ModelsView:
    """Return the versions of a model, newest first."""
    names = workspace.versions.names()
    name = name or names[0]
    versions = workspace.versions.registered(name)
    return ModelsView(
        name=name,
        names=names,
        champion=next((one.version for one in versions if one.is_champion), None),
        before_champion=workspace.versions.before_champion(name),
        versions=versions,
    )


@router.get("/compare", responses=_GONE)
def compare_models(
    principal: Viewer,
    workspace: WorkspaceDep,
    a: Annotated[int, Query(ge=1, le=2**31 - 1)],
    b: Annotated[int, Query(ge=1, le=2**31 - 1)],
    name: Name = None,
) -> VersionComparison:
    """Compare two versions: their metrics, and what their cycles' configs have different."""
    return workspace.versions.compare(a, b, name)


@router.post("/rollback", responses=_CHANGED)
def roll_back(
    principal: Operator,
    workspace: WorkspaceDep,
    how: Annotated[Change | None, Body()] = None,
    name: Name = None,
) -> Version:
    """Put the champion before this one in use again; the next cycle starts from it."""
    back = workspace.versions.rollback(name, instead_of=how.instead_of if how else None)
    workspace.access.audit(principal, "model.rollback", back.label)
    return back


@router.post(
    "/answers",
    responses={
        **_GONE,
        409: {"description": "Too many others wait for answers."},
        502: {"description": "A model can't be loaded, or no answer came in time."},
    },
)
def ask_models(
    question: Question, principal: Annotator, workspace: WorkspaceDep, name: Name = None
) -> list[Answer]:
    """Return what two versions answer to a goal, greedily: as on the hold-out."""
    return workspace.versions.answers(question.goal, [str(question.a), str(question.b)], name)


@router.get("/{version}", responses=_GONE)
def get_model(version: Number, principal: Viewer, workspace: WorkspaceDep, name: Name = None) -> Version:
    """Return one version."""
    return workspace.versions.get(version, name)


@router.get("/{version}/lineage", responses=_GONE)
def get_lineage(
    version: Number,
    principal: Viewer,
    workspace: WorkspaceDep,
    name: Name = None,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Lineage:
    """Return where a version comes from, with one page of the pairs that it was trained on."""
    return workspace.versions.lineage(version, name, offset=offset, limit=limit)


@router.get("/{version}/curves", responses=_GONE)
def get_curves(
    version: Number, principal: Viewer, workspace: WorkspaceDep, name: Name = None
) -> dict[str, list[CurvePoint]]:
    """Return the curves of the training of a version, by the metric's name."""
    return workspace.versions.curves(version, name)


@router.get("/{version}/card", responses=_GONE)
def get_card(version: Number, principal: Viewer, workspace: WorkspaceDep, name: Name = None) -> Card:
    """Return the model card of a version."""
    return Card(markdown=workspace.versions.card(version, name))


@router.post("/{version}/promote", responses=_CHANGED)
def promote(
    version: Number,
    principal: Operator,
    workspace: WorkspaceDep,
    how: Annotated[Change | None, Body()] = None,
    name: Name = None,
) -> Version:
    """Put a version in use, whatever the gate said of it; the next cycle starts from it."""
    promoted = workspace.versions.promote(version, name, instead_of=how.instead_of if how else None)
    workspace.access.audit(principal, "model.promote", promoted.label, passed_gate=promoted.passed_gate)
    return promoted
