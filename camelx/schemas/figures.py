"""How much there is, in sums that are cheap to read: what the metrics are made of."""

from __future__ import annotations

from pydantic import Field

from camelx.schemas.base import Record
from camelx.schemas.loop import CycleStatus, Stage


class CycleFigure(Record):
    """The cycles of one status."""

    status: CycleStatus
    n: int
    seconds: float
    """Of all of them."""


class StageFigure(Record):
    """What one stage of one cycle counted: a `StageReport` without its details."""

    stage: Stage
    status: CycleStatus
    seconds: float
    model_seconds: float
    n_model_calls: int
    counts: dict[str, int] = Field(default_factory=dict)
