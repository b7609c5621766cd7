"""Who uses camelx, and what they may do."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from camelx.schemas.base import Record, utc_now


class AccessRole(StrEnum):
    """What a person may do; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    """Look at everything but secrets."""
    ANNOTATOR = "annotator"
    """Judge pairs, talk to agents."""
    OPERATOR = "operator"
    """Start and stop cycles, promote and roll back, edit agents, import goals."""
    ADMIN = "admin"
    """Manage users and tokens, adjudicate."""

    def includes(self, other: AccessRole) -> bool:
        """Whether this role may do what `other` may."""
        order = tuple(AccessRole)
        return order.index(self) >= order.index(other)


class User(Record):
    """Somebody who may sign in."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    role: AccessRole
    password_hash: str = Field(repr=False)
    """Argon2id, with its parameters and salt."""
    is_active: bool = True
    epoch: int = 0
    """Grows with each change of password, role or activity: sessions signed under an earlier one end."""
    created_at: datetime = Field(default_factory=utc_now)


class ApiToken(Record):
    """A revocable token for programs; only its hash is kept."""

    id: str
    user_name: str
    label: str
    sha256: str = Field(repr=False)
    role: AccessRole
    """Never more than the user's own role at the time of use."""
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class Principal(Record):
    """Who asks, as the server found out."""

    name: str
    role: AccessRole
    via: str
    """"local" (nobody signs in on loopback), "session", "jwt" or "token"."""


class AuditEntry(Record):
    """Who changed what, and when."""

    id: int | None = None
    """Its number, which the database gives; later ones are higher."""
    at: datetime = Field(default_factory=utc_now)
    actor: str
    action: str
    """Such as "model.promote" or "annotation.create"."""
    subject: str
    """What was changed: an id or a name."""
    details: dict[str, Any] = Field(default_factory=dict)
    trace_id: str | None = None


class KeptAnswer(Record):
    """What a request with an idempotency key was answered; it is answered the same again."""

    actor: str
    key: str
    request_hash: str
    """Of method, path and body: the same key with another request is a mistake of the caller."""
    started_at: datetime = Field(default_factory=utc_now)
    status: int | None = None
    """None: the request still runs."""
    headers: dict[str, Any] = Field(default_factory=dict)
    body: str | None = None
    """None: the answer held a secret or was too long to keep."""
