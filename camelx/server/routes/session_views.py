"""What the routes of live sessions take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from camelx.schemas import (
    LiveSession,
    Record,
    SessionEvent,
    SessionEventKind,
    SessionMode,
    SessionPhase,
    SessionStatus,
    SessionView,
)
from camelx.sessions import Input, SessionRequest

INPUTS: TypeAdapter[Input] = TypeAdapter(Input)

_EXAMPLE: dict[str, Any] = {
    "id": "9f2c4e0d1b7a5c3e8d6f0a12",
    "owner": "ada",
    "title": "How many apples are left?",
    "mode": "team",
    "backend": "camel",
    "has_review": False,
    "versions": ["camelx-policy/3"],
    "status": "active",
    "phase": "deciding",
    "is_running": True,
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:03:00Z",
}


class NewSession(SessionRequest):
    """What a new session is to be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"mode": "team", "has_review": True}, {"mode": "ab", "versions": ["2", "base"]}]
        }
    )


class SessionInfo(BaseModel):
    """A live session."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    owner: str
    title: str = Field(description="The first words of the first message.")
    mode: SessionMode
    backend: Literal["camel", "langroid"]
    has_review: bool
    versions: list[str] = Field(description="Who answers; empty in mode ab, where picks tell who was who.")
    status: SessionStatus = Field(description="ended: it is opened again by the next message.")
    phase: SessionPhase = Field(description="What it waits for.")
    is_running: bool = Field(description="Whether its thread runs in this process.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, session: LiveSession, *, is_running: bool) -> Self:
        """Return what is told of the session."""
        told = session.model_dump(include=set(cls.model_fields) - {"is_running", "versions"})
        return cls(
            **told, versions=[] if session.mode == "ab" else list(session.versions), is_running=is_running
        )


class EventInfo(BaseModel):
    """One thing that happened in a session."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "seq": 2,
                    "kind": "proposal",
                    "speaker": "proposer",
                    "text": "Add what he got, take away what he gave.",
                    "data": {"role": "proposer", "finish_reason": "stop", "version": "camelx-policy/3"},
                    "at": "2026-01-01T12:01:00Z",
                }
            ]
        }
    )

    seq: int
    kind: SessionEventKind
    speaker: str
    text: str
    data: dict[str, Any] = Field(description="What is shown beside the text.")
    at: datetime

    @classmethod
    def of(cls, event: SessionEvent) -> Self:
        """Return what is told of the event: which version is A is not."""
        return cls(**event.model_dump(include=set(cls.model_fields)))


class SessionDetail(SessionInfo):
    """A live session with what happened in it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_EXAMPLE, "events": [], "under_way": {"proposer": "Add what"}}]}
    )

    events: list[EventInfo] = Field(description="Behind the one that was asked for, in order.")
    under_way: dict[str, str] = Field(description="What is being said, by speaker.")

    @classmethod
    def seen(cls, view: SessionView) -> Self:
        """Return what is told of a session as it is now."""
        info = SessionInfo.of(view.session, is_running=view.is_running)
        return cls(
            **info.model_dump(),
            events=[EventInfo.of(event) for event in view.events],
            under_way=view.under_way,
        )


class EventSent(Record):
    """An event, as it is sent on a WebSocket."""

    type: Literal["event"] = "event"
    event: EventInfo


class Refused(Record):
    """What the client sent was not taken."""

    type: Literal["refused"] = "refused"
    detail: str
