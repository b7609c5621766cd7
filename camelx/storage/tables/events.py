"""The table of what happens in cycles."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, id_column


class CycleEventRow(Base):
    """A `CycleEvent`; its kind stands beside the payload, where SQL can ask for it."""

    __tablename__ = "cycle_events"
    cycle_id: Mapped[str] = id_column("cycles.id", primary=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    __table_args__ = (Index("ix_cycle_events_at", "at"),)
