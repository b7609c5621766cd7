"""The tables of live sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, ModelText, id_column


class LiveSessionRow(Base):
    """A `LiveSession`."""

    __tablename__ = "live_sessions"
    id: Mapped[str] = id_column(primary=True)
    owner: Mapped[str] = mapped_column(ModelText)
    title: Mapped[str] = mapped_column(ModelText)
    mode: Mapped[str]
    backend: Mapped[str]
    has_review: Mapped[bool]
    versions: Mapped[list[Any]]
    policy_name: Mapped[str]
    policy_base: Mapped[str]
    config: Mapped[dict[str, Any]]
    status: Mapped[str]
    phase: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (Index("ix_live_sessions_owner_updated_at", "owner", "updated_at"),)


class SessionEventRow(Base):
    """A `SessionEvent`; its key is in the order of what happened, so that no further index is needed."""

    __tablename__ = "session_events"
    session_id: Mapped[str] = id_column("live_sessions.id", primary=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text)
    speaker: Mapped[str] = mapped_column(ModelText)
    text: Mapped[str] = mapped_column(ModelText)
    data: Mapped[dict[str, Any]]
    hidden: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class SessionHoldRow(Base):
    """A `SessionHold`."""

    __tablename__ = "session_holds"
    session_id: Mapped[str] = id_column("live_sessions.id", primary=True)
    holder: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    process_began: Mapped[float | None]
    until: Mapped[datetime]
