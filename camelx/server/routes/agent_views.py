"""What /api/v1/agents takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from camelx.agent_files import AgentsText, FormText, Template, read_form
from camelx.config import Mistake
from camelx.schemas import AgentVersion
from camelx.server.problems import Problem

_TEXT = "backends:\n  policy: {kind: transformers}\nagents:\n  - name: executor\n    ...\n"
_ETAG = "4-9f86d081884c7d65"
MAX_TEXT = 200_000


class MistakeView(BaseModel):
    """One thing that is wrong in a text."""

    line: int = Field(examples=[21])
    key: str = Field(examples=["agents.0.backend"])
    message: str = Field(examples=["names backend 'polcy'; did you mean 'policy'?"])

    @classmethod
    def of(cls, mistake: Mistake) -> MistakeView:
        """Return the view of a mistake."""
        return cls(line=mistake.line, key=mistake.key, message=mistake.message)


class VersionView(BaseModel):
    """One state of the file, without its text."""

    number: int = Field(examples=[4])
    etag: str = Field(examples=[_ETAG])
    sha256: str
    origin: Literal["saved", "restored", "outside"]
    author: str = Field(examples=["ann"], description="Empty where nobody knows.")
    note: str = Field(examples=["more plans"])
    at: datetime

    @classmethod
    def of(cls, version: AgentVersion) -> VersionView:
        """Return the view of a version."""
        return cls(**version.model_dump(exclude={"file", "text"}), etag=version.etag)


class VersionText(VersionView):
    """One state of the file, with its text and what differs from the file as it is now."""

    text: str
    diff: str = Field(description="Unified diff from this version to the file as it is now.")


class AgentsView(BaseModel):
    """An agents file as it is now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "file": "agents.yaml",
                    "etag": _ETAG,
                    "text": _TEXT,
                    "parsed": {"agents": [{"name": "executor"}], "backends": {"policy": {}}},
                    "mistakes": [],
                    "version": None,
                }
            ]
        }
    )

    file: str
    etag: str = Field(description="Send it back as If-Match; 0-none: there is no file yet.")
    text: str
    parsed: FormText | None = Field(description="None: the text is no YAML with agents and backends.")
    mistakes: list[MistakeView]
    version: VersionView | None

    @classmethod
    def of(cls, state: AgentsText) -> AgentsView:
        """Return the view of a file."""
        return cls(
            file=state.file,
            etag=state.etag,
            text=state.text,
            parsed=read_form(state.text) if state.version else None,
            mistakes=[MistakeView.of(mistake) for mistake in state.mistakes],
            version=VersionView.of(state.version) if state.version else None,
        )


class NewText(BaseModel):
    """A text to save."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"text": _TEXT, "note": "more plans"}]}
    )

    text: str = Field(max_length=MAX_TEXT)
    note: str = Field(default="", max_length=500, description="What the change is for.")


class TextToCheck(BaseModel):
    """A text to check."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": _TEXT}]})

    text: str = Field(max_length=MAX_TEXT)


class Checked(BaseModel):
    """What is wrong with a text, and what it would change."""

    mistakes: list[MistakeView]
    parsed: FormText | None
    diff: str = Field(description="Unified diff from the file as it is now; empty: nothing changes.")


class TemplateView(BaseModel):
    """A workflow to begin with."""

    name: str = Field(examples=["solo"])
    title: str
    about: str
    text: str

    @classmethod
    def of(cls, template: Template) -> TemplateView:
        """Return the view of a template."""
        return cls(**template.model_dump())


class ConflictProblem(Problem):
    """Somebody else changed the file; both texts, so that nothing is lost."""

    etag: str = Field(description="Of the file as it is now; send it as If-Match once the two are merged.")
    current: str = Field(description="The file as it is now.")
    diff: str = Field(description="Unified diff from the file as it is now to your text.")
