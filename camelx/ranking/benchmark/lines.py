"""JSON lines of a data set, checked field by field: whatever is wrong is named with file, line and field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camelx.errors import DataValidationError


@dataclass(frozen=True)
class Part:
    """An object in a line: the whole line, or one that it holds."""

    path: Path
    number: int
    """Of the line, from 1."""
    content: Mapping[str, Any]
    inside: str = ""
    """Where in the line the object is: "votes[3]."; the whole line has ""."""

    def wrong(self, field: str, expected: str) -> DataValidationError:
        """Return the error for a field that holds something else than what is expected."""
        where = f"{self.path}:{self.number}: {self.inside}{field}"
        if field not in self.content:
            return DataValidationError(f"{where} is missing, expected {expected}")
        got = repr(self.content[field])
        return DataValidationError(
            f"{where} is {got if len(got) < 80 else got[:76] + ' ...'}, expected {expected}"
        )

    def name(self, field: str) -> str:
        """Return a field that names something: a text that is not empty, or a whole number."""
        value = self.content.get(field)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.wrong(field, "a name or a number")
        return str(value)

    def one_of(self, field: str, values: Mapping[Any, float], expected: str) -> float:
        """Return what stands for the field's value, which must be there; true is not 1 here."""
        value = self.content.get(field)
        known = (
            isinstance(value, str | int | float | None) and not isinstance(value, bool) and value in values
        )
        if field not in self.content or not known:
            raise self.wrong(field, expected)
        return values[value]

    def objects(self, field: str) -> Iterator[Part]:
        """Yield the objects of a list; a list that is missing is empty."""
        values = self.content.get(field, [])
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.wrong(field, "a list of objects")
        for i, value in enumerate(values):
            yield Part(self.path, self.number, value, f"{self.inside}{field}[{i}].")


def read_lines(path: Path) -> Iterator[Part]:
    """Yield the objects of a file with one of them on each line; empty lines are left out.

    Raises:
        DataValidationError: A line is no JSON object, or the file is not UTF-8.
    """
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        number = 0
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    content = json.loads(line)
                    if not isinstance(content, Mapping):
                        raise DataValidationError(f"{path}:{number}: expected one JSON object on the line")
                    yield Part(path, number, content)
        except json.JSONDecodeError as e:
            raise DataValidationError(f"{path}:{number}: not JSON, {e.msg} at character {e.pos + 1}") from e
        except UnicodeDecodeError as e:
            raise DataValidationError(f"{path}: after line {number}: not UTF-8, {e.reason}") from e
