"""Passwords: how they are hashed and checked."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from camelx.errors import ConfigError

SHORTEST = 10
_LONGEST = 1_024
_AT_ONCE = threading.BoundedSemaphore(2)
"""A hash takes 64 MiB and a core for 50 ms: a flood of sign-ins must not take all of either."""


@cache
def _hasher() -> Any:
    from argon2 import PasswordHasher

    return PasswordHasher()


def hash_password(password: str) -> str:
    """Return the Argon2id hash with its parameters and salt.

    Raises:
        ConfigError: The password is too short or far too long.
    """
    if not SHORTEST <= len(password) <= _LONGEST:
        raise ConfigError(
            f"the password has {len(password)} characters; expected {SHORTEST} to {_LONGEST:,}. "
            "A few random words do."
        )
    with _AT_ONCE:
        hashed: str = _hasher().hash(password)
    return hashed


def is_password(password: str, hashed: str | None) -> bool:
    """Whether the password is the one that was hashed.

    Takes as long where there is no hash, so that the time does not tell whether a name exists.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    with _AT_ONCE:
        try:
            _hasher().verify(hashed or _nobody(), password[: _LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
    return hashed is not None


def needs_rehash(hashed: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    outdated: bool = _hasher().check_needs_rehash(hashed)
    return outdated


@cache
def _nobody() -> str:
    hashed: str = _hasher().hash("nobody has this password")
    return hashed
