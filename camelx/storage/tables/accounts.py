"""Tables of who may sign in, tokens of programs, who changed what, and answers to repeated requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, ModelText, id_column


class UserRow(Base):
    """A `User`; never deleted, because annotations and the audit trail name it."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(ModelText, primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool]
    epoch: Mapped[int]
    created_at: Mapped[datetime]


class ApiTokenRow(Base):
    """An `ApiToken`."""

    __tablename__ = "api_tokens"
    id: Mapped[str] = id_column(primary=True)
    user_name: Mapped[str] = id_column("users.name")
    label: Mapped[str] = mapped_column(ModelText)
    sha256: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_api_tokens_sha256", "sha256", unique=True),
        Index("ix_api_tokens_user_name", "user_name"),
    )


class AuditEntryRow(Base):
    """An `AuditEntry`; the actor is no reference, because "local" is no user."""

    __tablename__ = "audit_entries"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(ModelText)
    action: Mapped[str] = mapped_column(ModelText)
    subject: Mapped[str] = mapped_column(ModelText)
    details: Mapped[dict[str, Any]]
    trace_id: Mapped[str | None]
    __table_args__ = (
        Index("ix_audit_entries_actor", "actor", "id"),
        Index("ix_audit_entries_subject", "subject", "id"),
    )


class KeptAnswerRow(Base):
    """A `KeptAnswer`."""

    __tablename__ = "kept_answers"
    actor: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[str]
    started_at: Mapped[datetime]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any]]
    body: Mapped[str | None]
    __table_args__ = (Index("ix_kept_answers_started_at", "started_at"),)
