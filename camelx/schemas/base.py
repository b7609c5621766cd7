"""What all records are made of: frozen, and addressed by what they are about.

Identifiers are content addresses (`stable_id`): the same item of the same cycle has the same id on every run,
which is what makes a stage repeatable and a cycle resumable.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict


def stable_id(*parts: object) -> str:
    """Return a 24-digit hexadecimal id that depends on nothing but `parts`."""
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:24]


def content_hash(items: Iterable[str]) -> str:
    """Return the SHA-256 of the items in order, each ended by a line feed, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.encode() + b"\n")
    return digest.hexdigest()


def derived_seed(seed: int, of: object) -> int:
    """Return the seed of one thing (a cycle, a model call), below 2**28: some servers take no large one."""
    return int(stable_id("seed", seed, of)[:7], 16)


def utc_now() -> datetime:
    """Return the present moment, with its time zone."""
    return datetime.now(UTC)


CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffd]"
)
"""What no text that is trained on may hold: control characters but tab and line ends, characters without
width or that turn the direction, and the mark of a byte that could not be decoded. Joined emoji and Persian
spelt with U+200C fall under it, too: in the data that camelx is checked with they count as dirty."""


class Record(BaseModel):
    """Base of all records: immutable, with unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
