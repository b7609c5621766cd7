"""Moments as people type them on a page, and as a page shows them: UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from camelx.errors import ConfigError


def moment_in(text: str | None, name: str) -> datetime | None:
    """Return the moment that was typed into the field of that name; None: nothing was.

    Raises:
        ConfigError: It is no moment.
    """
    typed = (text or "").strip()
    if not typed:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise ConfigError(f"{name} {typed!r}: expected a moment such as 2026-11-26 14:30") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def minute(moment: datetime) -> str:
    """Return the moment to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
