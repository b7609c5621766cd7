"""What reviewers voted, as far as they are compared with people."""

from __future__ import annotations

from camelx.schemas.base import Record
from camelx.schemas.loop import Verdict


class TimedVote(Record):
    """One vote on two results, with the time that it took."""

    judge: str
    first_id: str
    """Shown first."""
    second_id: str
    verdict: Verdict | None
    round: int
    latency_s: float | None
    """Seconds of the reviewer's call; None where the vote was imported."""
