"""`Access`: from what a request brings to a `Principal`."""

from __future__ import annotations

from camelx.config import Settings
from camelx.errors import AccessError
from camelx.schemas import AccessRole, Principal
from camelx.storage import Store

LOCAL = Principal(name="local", role=AccessRole.ADMIN, via="local")
"""Whoever sits at this machine: the app listens on loopback alone and nobody has to sign in."""


class Access:
    """Who asks, from cookies, tokens and names."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings

    @property
    def is_required(self) -> bool:
        """Whether people must sign in."""
        return self._settings.sign_in_required

    def by_name(self, name: str) -> Principal:
        """Return the user of that name as they stand now: a role that was taken away is gone at once.

        Raises:
            AccessError: There is no such active user.
        """
        if not self.is_required:
            return LOCAL
        raise AccessError(f"no active user {name!r}")


def allow(principal: Principal, role: AccessRole) -> Principal:
    """Return the principal, who may do what `role` may.

    Raises:
        AccessError: They may not; the message names what they have and what it takes.
    """
    if not principal.role.includes(role):
        raise AccessError(
            f"{principal.name} has the role {principal.role}; this takes {role}. An admin can change it: "
            f"`camelx user role {principal.name} {role}`"
        )
    return principal
