"""Live sessions: a person and agents in one conversation, as it is stored and as it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from camelx.schemas.base import Record, stable_id, utc_now

LIVE_CYCLE = "live"
"""Id of the one cycle per database that the interactions of all live sessions belong to; its number is 0."""
SESSION_SOURCE = "session"
"""`Goal.source` of what people typed in a live session: never drawn for training, never held out."""
MAX_MESSAGE_CHARS = 8_000
"""Longest message, redirection or edit that a person may send."""

SessionMode = Literal["team", "talk", "ab"]
"""team: the Proposer's plan is approved, then the Executor carries it out; talk: with the Executor alone; ab:
two versions answer the same messages and the person picks."""

SessionPhase = Literal["listening", "deciding", "picking", "busy"]
"""What the session waits for: a message, a decision on a proposal, a pick; busy: agents are answering."""

SessionStatus = Literal["active", "ended", "deleted"]
"""ended: its thread has stopped, and it can be reopened; deleted: what was said in it is gone."""

SessionEventKind = Literal[
    "human", "turn", "proposal", "comment", "tool_call", "ab_pair", "pick", "edit", "status", "error"
]
"""What is stored of a session. Pieces of an answer under way are sent (`stream`), and never stored."""

PickVerdict = Literal["a", "b", "tie", "both_bad"]


class LiveSession(Record):
    """One session: whose it is, who takes part, what it waits for."""

    id: str
    owner: str
    title: str = ""
    """The first words of the first message."""
    mode: SessionMode = "team"
    backend: Literal["camel", "langroid"] = "camel"
    has_review: bool = False
    """Whether a PeerReviewer comments on each result."""
    versions: tuple[str, ...] = ()
    """Who answers, resolved when the session began: "name/3", "base" or an agent's name; two in mode ab."""
    policy_name: str
    """`policy.name` of its config: picks count for the cycles of the same policy."""
    policy_base: str
    config: dict[str, Any] = Field(repr=False)
    """The whole RunConfig as JSON: a reopened session has the same agents."""
    status: SessionStatus = "active"
    phase: SessionPhase = "listening"
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)


class SessionEvent(Record):
    """One thing that happened in a session, in the order in which it happened."""

    session_id: str
    seq: int = Field(ge=1)
    """1 is the first."""
    kind: SessionEventKind
    speaker: str
    """A person's name, an agent's name, "A" or "B" where who speaks is not told, or "session"."""
    text: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    """What a page shows beside the text."""
    hidden: dict[str, Any] = Field(default_factory=dict, repr=False)
    """What the session needs to go on and no page is sent: which version is A, ids of interactions."""
    at: datetime = Field(default_factory=utc_now)


class SessionHold(Record):
    """Which app has a session open; no other may open it meanwhile."""

    session_id: str
    holder: str
    """The app: drawn anew each time that one starts."""
    host: str
    pid: int
    process_began: float | None = None
    """When the process began, by its machine: a number is given to another process later."""
    until: datetime
    """The app puts this off as long as it lives; once it has passed, another one may take the session."""


def session_goal_id(text: str) -> str:
    """Return the id of a goal that was typed in a session.

    Not that of the same text elsewhere: a goal that is imported later must be able to be held out.
    """
    return stable_id("goal", SESSION_SOURCE, text.strip())


class SessionStream(Record):
    """Part of an answer under way: shown and never stored; the event of the finished turn takes its place."""

    type: Literal["stream"] = "stream"
    speaker: str
    text: str = ""
    """What was added to what `speaker` has said so far."""
    is_void: bool = False
    """What was said so far is void, because the model is asked once more; `text` is a new beginning."""


class SessionState(Record):
    """What the session waits for, told whenever that changes."""

    type: Literal["state"] = "state"
    phase: SessionPhase
    status: SessionStatus = "active"
    reason: str = ""
    """Why it ended."""


class SessionView(Record):
    """A session as somebody who looks at it now sees it."""

    session: LiveSession
    events: tuple[SessionEvent, ...]
    """After the number that was asked for."""
    under_way: dict[str, str] = Field(default_factory=dict)
    """What is being said, by speaker."""
    is_running: bool = False
    """Whether its thread runs in this process."""
