"""What the log explorer is asked for and answers: filters, one page of lines, the values to choose from."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from camelx.schemas.base import Record
from camelx.schemas.loop import Goal, Role, Stage


class InteractionStatus(StrEnum):
    """What became of a model call."""

    OK = "ok"
    """A whole answer."""
    ERROR = "error"
    """The call failed: there is no answer."""
    CUT = "cut"
    """It stopped before its end: at the token limit, or while it called tools."""
    EMPTY = "empty"
    """It ended without a word."""


class InteractionFilter(Record):
    """Which interactions are wanted; those that meet every condition that is given."""

    cycle_id: str | None = Field(default=None, max_length=200)
    goal_id: str | None = Field(default=None, max_length=200)
    agent: str | None = Field(default=None, max_length=500)
    role: Role | None = None
    model: str | None = Field(default=None, max_length=500)
    status: InteractionStatus | None = None
    stage: Stage | None = None
    text: str | None = Field(default=None, max_length=500)
    """Words that prompt, answer or error hold, in any order and case; "in quotation marks" as they stand."""
    since: AwareDatetime | None = None
    """Not before this moment."""
    until: AwareDatetime | None = None
    """Before this moment."""


class InteractionLine(Record):
    """An interaction as one line of the log; `Interaction` has the rest."""

    id: str
    cycle_id: str
    stage: Stage
    goal_id: str
    agent: str
    role: Role
    model: str
    adapter_version: str | None
    status: InteractionStatus
    beginning: str
    """The first characters of the answer, or of the error where there is none."""
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    created_at: datetime


class InteractionPage(Record):
    """Some lines of the log, newest first."""

    items: tuple[InteractionLine, ...]
    next_cursor: str | None = None
    """Gives the page of older ones; None: there are none."""
    previous_cursor: str | None = None
    """Gives the page of newer ones; None: this is the first."""


class InteractionFacets(Record):
    """What interactions can be filtered by: every value that at least one of them had."""

    cycles: tuple[str, ...]
    """The newest first."""
    agents: tuple[str, ...]
    roles: tuple[Role, ...]
    models: tuple[str, ...]
    stages: tuple[Stage, ...]
    statuses: tuple[InteractionStatus, ...]


class GoalPage(Record):
    """Some goals, by id."""

    items: tuple[Goal, ...]
    next_cursor: str | None = None
    """Gives the next page; None: there is none."""
