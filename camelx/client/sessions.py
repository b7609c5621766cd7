"""Calls on live sessions: begin one, say something, look, end it. To follow one: `AsyncClient.converse`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from camelx.client.calls import Call, View, change, get, post


class Session(View):
    """A live session."""

    id: str
    owner: str
    title: str
    mode: str
    backend: str
    status: str
    phase: str
    """What it waits for."""
    is_running: bool
    created_at: datetime
    updated_at: datetime


class SessionDetail(Session):
    """A live session with what happened in it."""

    events: list[dict[str, Any]]
    under_way: dict[str, str]
    """What is being said, by speaker."""


def every(*, limit: int = 100) -> Call[list[Session]]:
    """Return one's own sessions, the latest first."""
    return get(list[Session], "sessions", limit=limit)


def one(session_id: str, after: int = 0) -> Call[SessionDetail]:
    """Return a session, with what happened behind an event."""
    return get(SessionDetail, "sessions", session_id, after=after)


def begin(mode: str = "team", *, versions: Sequence[str] = (), **options: Any) -> Call[Session]:
    """Begin a session.

    Args:
        mode: "team", or "ab" to compare two versions blind.
        versions: Who answers; none: the champion, in mode ab against the challenger.
        options: has_review, backend.
    """
    return post(Session, "sessions", body={"mode": mode, "versions": list(versions), **options})


def say(session_id: str, text: str) -> Call[None]:
    """Say something."""
    return tell(session_id, type="message", text=text)


def tell(session_id: str, **given: Any) -> Call[None]:
    """Send any input: approve, redirect, edit, pick, interject, stop; its `type` and its fields."""
    return post(None, "sessions", session_id, "inputs", body=given)


def end(session_id: str) -> Call[Session]:
    """End a session; the next message opens it again."""
    return post(Session, "sessions", session_id, "close")


def delete(session_id: str) -> Call[None]:
    """Forget what was said in a session."""
    return change("DELETE", None, "sessions", session_id)
