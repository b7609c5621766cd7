"""What happens in a cycle, in the order in which it happened: `CycleEvent` and its kinds of payload.

Written by the process that runs the cycle (`camelx.cycles.recording`), stored, and sent to whoever watches.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from camelx.schemas.base import Record, utc_now
from camelx.schemas.loop import CycleStatus, Stage


class CycleStatusChanged(Record):
    """The cycle began, went on, or ended."""

    kind: Literal["cycle_status"] = "cycle_status"
    status: CycleStatus
    error: str | None = None
    """Why it did not complete."""


class StageStatusChanged(Record):
    """A stage began or ended."""

    kind: Literal["stage_status"] = "stage_status"
    stage: Stage
    status: CycleStatus
    seconds: float = 0.0
    """Wall time of the stage so far, summed over resumptions."""
    counts: dict[str, int] = Field(default_factory=dict)
    """What it counted, once it has completed, such as {"pairs": 412, "human": 3}."""
    error: str | None = None


class ProgressMade(Record):
    """How far a stage is; at most two a second, the newest ones."""

    kind: Literal["progress"] = "progress"
    stage: Stage
    done: int
    total: int
    unit: str = "items"
    """What is counted, such as "votes" or "steps"."""


class TrainingStep(Record):
    """What one optimiser step gave. After a resumption the steps since the last checkpoint come again."""

    kind: Literal["training"] = "training"
    step: int
    loss: float | None = None
    reward_margin: float | None = None
    """Mean difference of the implicit rewards of chosen and rejected."""
    accuracy: float | None = None
    """Share of pairs whose chosen side has the greater reward."""
    learning_rate: float | None = None


class LogLine(Record):
    """A line that camelx logged while it worked on the cycle."""

    kind: Literal["log"] = "log"
    level: Literal["INFO", "WARNING", "ERROR"]
    message: str
    stage: Stage | None = None
    logger: str = ""
    """The module that wrote it, such as "camelx.ranking.reviewing.session"."""


EventPayload = Annotated[
    CycleStatusChanged | StageStatusChanged | ProgressMade | TrainingStep | LogLine,
    Field(discriminator="kind"),
]
EventKind = Literal["cycle_status", "stage_status", "progress", "training", "log"]


class CycleEvent(Record):
    """One thing that happened in a cycle."""

    cycle_id: str
    seq: int = Field(ge=1)
    """1, 2, 3 ... within the cycle, without a gap; later ones are visible later."""
    at: datetime = Field(default_factory=utc_now)
    payload: EventPayload

    @property
    def kind(self) -> EventKind:
        """Which payload it has."""
        return self.payload.kind
