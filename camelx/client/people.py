"""Calls on who may use the server: signing in, users, API tokens, the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from camelx.client.calls import Call, Page, View, change, get, given, post
from camelx.schemas import AccessRole


class SignedToken(View):
    """A token that is good for some minutes."""

    access_token: str = Field(repr=False)
    expires_in: int
    """Seconds."""


class Me(View):
    """Who asks."""

    name: str
    role: AccessRole
    via: str
    sign_in_required: bool


class Person(View):
    """Somebody who may sign in."""

    name: str
    role: AccessRole
    is_active: bool
    created_at: datetime


class Token(View):
    """An API token, without its text."""

    id: str
    user_name: str
    label: str
    role: AccessRole
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class MadeToken(Token):
    """A new API token with its text, which is shown this once."""

    token: str = Field(repr=False)


class AuditRow(View):
    """Who changed what, and when."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    trace_id: str | None


def sign_in(name: str, password: str) -> Call[SignedToken]:
    """Return a token for a name and its password."""
    return change("POST", SignedToken, "auth", "token", body={"name": name, "password": password})


def me() -> Call[Me]:
    """Return who asks and what they may do."""
    return get(Me, "auth", "me")


def change_password(old: str, new: str) -> Call[None]:
    """Change one's own password."""
    return change("PUT", None, "auth", "password", body={"old": old, "new": new})


def users() -> Call[list[Person]]:
    """Return all users."""
    return get(list[Person], "users")


def user(name: str) -> Call[Person]:
    """Return one user."""
    return get(Person, "users", name)


def add_user(name: str, password: str, role: AccessRole = AccessRole.ANNOTATOR) -> Call[Person]:
    """Add somebody who may sign in."""
    return post(Person, "users", body={"name": name, "password": password, "role": role})


def change_user(
    name: str,
    *,
    role: AccessRole | None = None,
    is_active: bool | None = None,
    password: str | None = None,
) -> Call[Person]:
    """Give a user another role or password, or let them in or out."""
    changes = given(role=role, is_active=is_active, password=password)
    return change("PATCH", Person, "users", name, body=changes)


def deactivate_user(name: str) -> Call[None]:
    """Let a user in no more."""
    return change("DELETE", None, "users", name)


def tokens() -> Call[list[Token]]:
    """Return one's own API tokens; for admins everybody's."""
    return get(list[Token], "tokens")


def make_token(label: str, *, expires_in_days: int | None = 90, **options: Any) -> Call[MadeToken]:
    """Make an API token.

    Args:
        label: What it is for.
        expires_in_days: None: good until it is revoked.
        options: role, and for admins user_name.
    """
    body = {"label": label, "expires_in_days": expires_in_days} | given(**options)
    return post(MadeToken, "tokens", body=body)


def revoke_token(token_id: str) -> Call[None]:
    """Let a token in no more."""
    return change("DELETE", None, "tokens", token_id)


def trail(
    *, actor: str | None = None, action: str | None = None, subject: str | None = None, limit: int = 100
) -> Call[Page[AuditRow]]:
    """Return who changed what, newest first, in pages of `limit`; for admins."""
    return get(Page[AuditRow], "audit", actor=actor, action=action, subject=subject, limit=limit)
