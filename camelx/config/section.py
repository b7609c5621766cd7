"""The base of all config sections, and the hint for a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of all config sections: immutable, unknown keys refused, docs taken from the field docstrings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MisplacedError(ValueError):
    """What a section's own check found wrong, with the place below the section that it concerns."""

    def __init__(self, message: str, *place: str | int, others: Sequence[MisplacedError] = ()) -> None:
        """Take the message and its place; `others` are what the same check found beside it."""
        super().__init__(message)
        self.place, self.others = place, tuple(others)


def nearest_hint(name: str, valid: Iterable[str]) -> str:
    """Return the end of a message: the nearest valid name, or all of them."""
    valid = list(valid)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; valid are {', '.join(valid)}"
