"""What a WebSocket of camelx sends beside its own records: how it keeps alive, and says what was dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from camelx.schemas.base import Record, utc_now
from camelx.schemas.events import CycleEvent


class EventMessage(Record):
    """An event of the cycle that is watched."""

    type: Literal["event"] = "event"
    event: CycleEvent


class Dropped(Record):
    """The reader was too slow: so many items between the one before and the next are not sent."""

    type: Literal["dropped"] = "dropped"
    n: int = Field(ge=1)


class Ping(Record):
    """Nothing happened, but the server is there; no answer is expected."""

    type: Literal["ping"] = "ping"
    at: datetime = Field(default_factory=utc_now)
