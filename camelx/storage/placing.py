"""Where a page of interactions begins and ends: spans of numbers, and the cursors that name them.

The number of an interaction is its moment in microseconds, see `InteractionPlaceRow`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from camelx.schemas import InteractionFilter
from camelx.storage.cursors import seal, unseal

_LOWEST, _HIGHEST = -(2**62), 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY = struct.Struct(">q?")


@dataclass(frozen=True)
class Span:
    """Numbers from `at_least` to just before `below`, read from one end."""

    at_least: int = _LOWEST
    below: int = _HIGHEST
    newest_first: bool = True

    def on(self, number: Any) -> tuple[Any, Any]:
        """Return the conditions that a column of numbers meets inside of the span."""
        return number >= self.at_least, number < self.below

    def order(self, number: Any) -> Any:
        """Return how a column of numbers is sorted."""
        return number.desc() if self.newest_first else number.asc()

    def first(self, numbers: Iterable[int], limit: int) -> list[int]:
        """Return the numbers that come first, in order."""
        return sorted(numbers, reverse=self.newest_first)[:limit]

    def up_to(self, number: int) -> Span:
        """Return the part of the span that is read until this number, itself included."""
        if self.newest_first:
            return replace(self, at_least=max(self.at_least, number))
        return replace(self, below=min(self.below, number + 1))

    def beyond(self, number: int) -> Span:
        """Return the part of the span that is read behind this number."""
        if self.newest_first:
            return replace(self, below=min(self.below, number))
        return replace(self, at_least=max(self.at_least, number + 1))

    def holds(self, number: int) -> bool:
        """Whether the number is inside."""
        return self.at_least <= number < self.below


def span_of(wanted: InteractionFilter, cursor: str | None = None) -> Span:
    """Return the span of the filter's times, from the cursor on where there is one.

    Raises:
        ConfigError: The cursor is broken, or belongs to other filters.
    """
    times = Span(
        _LOWEST if wanted.since is None else _microseconds(wanted.since),
        _HIGHEST if wanted.until is None else _microseconds(wanted.until),
    )
    if cursor is None:
        return times
    number, is_older = _KEY.unpack(unseal(cursor, wanted.model_dump_json()))
    return replace(times, newest_first=bool(is_older)).beyond(int(number))


def cursor_of(wanted: InteractionFilter, number: int, *, older: bool) -> str:
    """Return the cursor of what is older, or newer, than an interaction, among those that are wanted."""
    return seal(_KEY.pack(number, older), wanted.model_dump_json())


def _microseconds(moment: datetime) -> int:
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
