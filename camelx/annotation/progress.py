"""How far a person has come.

In: the queue and the database. Out: a `Progress` for the page and the API.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from statistics import median

from camelx.annotation.queue import AnnotationQueue
from camelx.annotation.standing import Wanted
from camelx.schemas import Record, utc_now
from camelx.storage import Store

_RECENT = 50
"""Verdicts whose durations tell how fast somebody is."""
LEAST_TIMED = 5
"""Fewer of them tell nothing: one item that was left open for a while would be half of all that is known."""


class Progress(Record):
    """How far a person has come. Days are those of UTC."""

    annotator: str
    cycle_id: str
    n_today: int
    """Verdicts today, repeats included."""
    n_total: int
    """Verdicts ever."""
    streak_days: int
    """Days in a row with a verdict, up to today or yesterday. Verdicts in a row without a skip would be
    another streak, but one that talks people out of skipping what they can't judge."""
    n_open: int
    """Items of what the person wants that are left for them."""
    n_skipped: int
    """Items that they passed by."""
    median_s: float | None
    """Median duration of their last verdicts, in seconds. One that took as long as a lease was left open, and
    is left out; None: fewer than five remain."""
    left_s: float | None
    """Seconds that what is open will take at that speed; None: unknown."""


def progress_of(
    store: Store,
    queue: AnnotationQueue,
    annotator: str,
    wanted: Wanted | None = None,
    now: datetime | None = None,
) -> Progress:
    """Return how far the person has come with what they want to judge.

    Raises:
        NotFoundError: The cycle has nothing to judge.
        OrchestrationError: No cycle has.
    """
    wanted, now = wanted or Wanted(), now or utc_now()
    standing = queue.standings.of(wanted.cycle_id)
    n_open = sum(1 for _ in standing.open_for(annotator, wanted))
    by_day = store.verdicts_by_day(annotator)
    durations = store.last_durations(annotator, _RECENT, below=queue.rules.lease_s)
    speed = median(durations) if len(durations) >= LEAST_TIMED else None
    return Progress(
        annotator=annotator,
        cycle_id=standing.index.cycle_id,
        n_today=by_day.get(now.date().isoformat(), 0),
        n_total=sum(by_day.values()),
        streak_days=streak(set(by_day), now.date()),
        n_open=n_open,
        n_skipped=standing.n_skipped(annotator),
        median_s=speed,
        left_s=None if speed is None else speed * n_open,
    )


def streak(days: set[str], today: date) -> int:
    """Return how many days in a row are among `days`, up to today, or to yesterday where today is not yet.

    Examples:
        >>> streak({"2026-03-01", "2026-03-02"}, date(2026, 3, 3))
        2
    """
    day = today if today.isoformat() in days else today - timedelta(days=1)
    n = 0
    while day.isoformat() in days:
        n, day = n + 1, day - timedelta(days=1)
    return n
