"""How a cycle was started: by whom, and which process or flow run carries it out."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from camelx.schemas.base import Record, utc_now


class Launch(Record):
    """The latest start of a cycle: what it takes to stop it again."""

    cycle_id: str
    requested_by: str
    """Name of the person or program; "command line" where no app was asked."""
    requested_at: datetime = Field(default_factory=utc_now)
    host: str | None = None
    """Machine that the process runs on; None: it waits for a worker, or has not said so yet."""
    pid: int | None = None
    process_began: float | None = None
    """Unix time of the process's start: a later process may get the same number."""
    flow_run_id: str | None = None
    """The run in the Prefect UI."""
    cancel_asked_at: datetime | None = None
    """When somebody asked it to stop."""
