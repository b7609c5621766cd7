"""The table of how cycles were started."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped

from camelx.storage.tables.base import Base, id_column


class LaunchRow(Base):
    """A `Launch`; a cycle that is started again replaces its own."""

    __tablename__ = "launches"
    cycle_id: Mapped[str] = id_column("cycles.id", primary=True)
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    host: Mapped[str | None]
    pid: Mapped[int | None]
    process_began: Mapped[float | None]
    flow_run_id: Mapped[str | None]
    cancel_asked_at: Mapped[datetime | None]
