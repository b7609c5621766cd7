"""What passes between the annotation queue and the database: who holds what, what was given and meant."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, Field

from camelx.schemas.base import Record, utc_now
from camelx.schemas.loop import Verdict


class AnnotationFilter(Record):
    """Which annotations are meant; those that meet every condition that is given."""

    cycle_id: str | None = None
    """On results of this cycle."""
    annotator: str | None = None
    goal_id: str | None = None
    verdict: Verdict | Literal["both_bad"] | None = None
    """"first" is A, as it was shown."""
    since: AwareDatetime | None = None
    """Not before this moment."""
    until: AwareDatetime | None = None
    """Before this moment."""


class Lease(Record):
    """That one person has an item before them until the lease expires."""

    id: str
    """What only one person may hold: the item's key, or an address of one person's repeat of it."""
    cycle_id: str
    item_key: str
    annotator: str
    repeat: int = 0
    """0: the verdict will count; n: it is the person's n-th repeat of the item."""
    submission_id: str
    """Under which the verdict is sent, however often: it counts once."""
    shown_at: datetime
    expires_at: datetime


class Skip(Record):
    """That a person passed an item by: it is not shown to them again."""

    item_key: str
    annotator: str
    cycle_id: str
    created_at: datetime = Field(default_factory=utc_now)


class RankedCycle(NamedTuple):
    """A cycle whose results can be judged."""

    cycle_id: str
    number: int
    ranking: str
    """Changes whenever the cycle is ranked anew."""


class Given(NamedTuple):
    """That somebody judged a pair: no more of the annotation than the queue must know."""

    first_id: str
    second_id: str
    annotator: str
    repeat: int
    adjudicated: bool
    verdict: str
    created_at: datetime
