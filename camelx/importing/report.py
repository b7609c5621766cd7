"""What an import says of the rows that it could not take, and the refusal of a strict one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from camelx.errors import DataValidationError

_Record = TypeVar("_Record")

_N_SHOWN = 10
_UNCLEAN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class BrokenRowError(ValueError):
    """Why a row can't be taken. Stays inside the room: it becomes a `BrokenRow`."""


@dataclass(frozen=True)
class Place:
    """Where a row stands: a line of a text file, or a row of a file without lines, both from 1."""

    path: Path
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        """Return "file:line", or "file row n"."""
        return (
            f"{self.path}:{self.number}" if self.unit == "line" else f"{self.path} {self.unit} {self.number}"
        )


@dataclass(frozen=True)
class BrokenRow:
    """A row that was not taken, and why."""

    place: Place
    why: str

    def __str__(self) -> str:
        """Return "file:line: why"."""
        return f"{self.place}: {self.why}"


@dataclass(frozen=True)
class Duplicate:
    """A row that says the same as an earlier one and was merged with it."""

    place: Place
    first: Place


@dataclass(frozen=True)
class ImportReport(Generic[_Record]):
    """The records of a file, and what became of its other rows."""

    records: tuple[_Record, ...]
    broken: tuple[BrokenRow, ...]
    duplicates: tuple[Duplicate, ...]
    n_rows: int
    """All rows read: records, broken ones and duplicates; blank lines are none."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each record stands first, by the record's id."""


def require_whole(path: Path, broken: Sequence[BrokenRow], n_rows: int) -> None:
    """Refuse a file with broken rows.

    Raises:
        DataValidationError: Names the first ones.
    """
    if broken:
        shown = "\n".join(str(row) for row in broken[:_N_SHOWN])
        more = f"\n... and {len(broken) - _N_SHOWN} more" if len(broken) > _N_SHOWN else ""
        raise DataValidationError(
            f"{path}: {len(broken)} of {n_rows} rows are broken and nothing was imported; mend them, or "
            f"leave out --strict to import the others:\n{shown}{more}"
        )


def clean_text(value: object, what: str) -> str:
    """Return the value if it is text that can be stored and shown.

    Raises:
        BrokenRowError: It is no text, or holds a control character or half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise BrokenRowError(f"{what} is {type(value).__name__}, expected text")
    if found := _UNCLEAN.search(value):
        raise BrokenRowError(
            f"{what} has the control character U+{ord(found.group()):04X} at position {found.start()}"
        )
    return value


def filled_text(value: object, what: str) -> str:
    """Return the value without white space at its ends if it is text and not empty.

    Raises:
        BrokenRowError: It is no text, is empty, or holds a control character.
    """
    stripped = clean_text(value, what).strip()
    if not stripped:
        raise BrokenRowError(f"{what} is empty")
    return stripped
