"""What the history of an agents file is kept in."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from camelx.schemas.base import Record, utc_now


class AgentVersion(Record):
    """One state of an agents file: its whole text, and who brought it about."""

    file: str
    """Name of the file in the configs folder."""
    number: int = Field(ge=1)
    """Counts up from 1 for each file; a restored text gets a number of its own."""
    sha256: str
    """Of the file's bytes."""
    text: str
    """What the file held; a key that stood in it is masked."""
    origin: Literal["saved", "restored", "outside"]
    """"outside": the file was written by something else, such as an editor, and found so."""
    author: str
    """Name of the user; empty where nobody knows."""
    note: str = ""
    at: datetime = Field(default_factory=utc_now)

    @property
    def etag(self) -> str:
        """What an edit is based on: it names the state of the file and its place in the history."""
        return f"{self.number}-{self.sha256[:16]}"
