"""What a person sends to a live session."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from camelx.schemas import MAX_MESSAGE_CHARS, PickVerdict, Record, SessionPhase

Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_MESSAGE_CHARS),
    AfterValidator(lambda text: text.replace("\x00", "\ufffd")),
]
"""A text that a person typed, bounded."""


class Say(Record):
    """The next message: a goal, or words in a conversation. It leaves a proposal or an open pick as it is."""

    type: Literal["message"] = "message"
    text: Words


class Interject(Record):
    """Words that stop whoever speaks and are the next thing that they hear."""

    type: Literal["interject"] = "interject"
    text: Words


class Approve(Record):
    """The proposal is to be carried out."""

    type: Literal["approve"] = "approve"


class Redirect(Record):
    """The Proposer is to propose anew, having heard this."""

    type: Literal["redirect"] = "redirect"
    text: Words


class Edit(Record):
    """A better version of the proposal, which is then carried out, or of the last answer."""

    type: Literal["edit"] = "edit"
    text: Words


class Pick(Record):
    """Which of the two answers is better."""

    type: Literal["pick"] = "pick"
    verdict: PickVerdict
    edited_text: Words | None = None
    """A better answer than the losing one, or than both."""
    rationale: Annotated[str, StringConstraints(max_length=MAX_MESSAGE_CHARS)] | None = None
    rating: int | None = Field(default=None, ge=1, le=5)


class Stop(Record):
    """Whoever speaks stops; what was said stays."""

    type: Literal["stop"] = "stop"


Input = Annotated[Say | Interject | Approve | Redirect | Edit | Pick | Stop, Field(discriminator="type")]

ALLOWED: dict[SessionPhase, frozenset[str]] = {
    "listening": frozenset({"message", "interject", "edit", "stop"}),
    "deciding": frozenset({"message", "interject", "approve", "redirect", "edit", "stop"}),
    "picking": frozenset({"message", "interject", "pick", "stop"}),
    "busy": frozenset({"interject", "stop"}),
}
"""What a session takes while it waits for something."""

WAITS_FOR: dict[SessionPhase, str] = {
    "listening": "it waits for a message",
    "deciding": "it waits for a decision on the proposal: approve, redirect or edit it",
    "picking": "it waits for a pick between A and B",
    "busy": "agents are answering: interject or stop them",
}
