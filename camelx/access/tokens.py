"""Tokens for programs: made once, shown once, kept as a hash, revocable."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from camelx.errors import AccessError, ConfigError, NotFoundError
from camelx.schemas import AccessRole, ApiToken, Principal, User, utc_now
from camelx.storage import Store

PREFIX = "camelx_"
"""Every token begins with it, so that a leaked one is recognised."""
_NOTED_EVERY = timedelta(minutes=1)


class Tokens:
    """Makes, checks and revokes tokens."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(
        self, user: User, label: str, role: AccessRole, expires_in: timedelta | None = None
    ) -> tuple[ApiToken, str]:
        """Return a new token and its text, which can't be had again.

        Raises:
            AccessError: The role is more than the user's own.
            ConfigError: It would be over already.
        """
        if not user.role.includes(role):
            raise AccessError(f"{user.name} has the role {user.role}; their token can't have the role {role}")
        if expires_in is not None and expires_in <= timedelta():
            raise ConfigError(f"a token must be good for a while, got {expires_in}")
        text = PREFIX + secrets.token_urlsafe(32)
        now = utc_now()
        token = ApiToken(
            id=secrets.token_hex(8),
            user_name=user.name,
            label=label,
            sha256=_hash(text),
            role=role,
            created_at=now,
            expires_at=None if expires_in is None else now + expires_in,
        )
        self._store.add_token(token)
        return token, text

    def principal(self, text: str) -> Principal:
        """Return who uses the token, with the lower of its role and the user's own now.

        Raises:
            AccessError: It is unknown, revoked or over, or its user is not active.
        """
        token = self._store.token_by_hash(_hash(text))
        now = utc_now()
        if token is None or token.revoked_at is not None:
            raise AccessError("the API token is unknown or was revoked", is_unknown=True)
        if token.expires_at is not None and token.expires_at <= now:
            raise AccessError(f"the API token {token.id} is over since {token.expires_at}", is_unknown=True)
        user = self._store.user(token.user_name)
        if user is None or not user.is_active:
            raise AccessError(f"the user of API token {token.id} is not active", is_unknown=True)
        if token.last_used_at is None or now - token.last_used_at > _NOTED_EVERY:
            self._store.touch_token(token.id)
        role = token.role if user.role.includes(token.role) else user.role
        return Principal(name=user.name, role=role, via="token")

    def list(self, user_name: str | None = None) -> list[ApiToken]:
        """Return all tokens, or those of one user, oldest first."""
        return self._store.tokens(user_name)

    def revoke(self, token_id: str, *, by: Principal) -> ApiToken:
        """Make a token useless; an admin may revoke anybody's.

        Raises:
            NotFoundError: There is no such token, or it is somebody else's.
        """
        token = self._store.token(token_id)
        if token.user_name != by.name and by.role is not AccessRole.ADMIN:
            raise NotFoundError(f"there is no token {token_id!r}")
        self._store.revoke_token(token_id)
        return self._store.token(token_id)


def _hash(text: str) -> str:
    """Return the token's hash: fast, because 256 random bits can't be guessed from it."""
    return hashlib.sha256(text.encode()).hexdigest()
