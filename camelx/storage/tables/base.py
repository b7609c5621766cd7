"""What all tables are made of: portable column types, the declarative base, columns that hold ids."""

from __future__ import annotations

from datetime import MINYEAR, UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Float, ForeignKey, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column


class UtcMoment(TypeDecorator[datetime]):
    """A moment that always comes back with the UTC zone, which SQLite would drop; a naive one is UTC.

    One that UTC has no year for, as an hour before the year 1, is the first or the last that it has.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC, with its zone."""
        if value is None:
            return None
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            edge = datetime.min if value.year == MINYEAR else datetime.max
            return edge.replace(tzinfo=UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored moment in UTC, with its zone."""
        return self.process_bind_param(value, dialect)


def storable(text: str) -> str:
    """Return the text with U+FFFD for NUL (PostgreSQL refuses it) and lone surrogates (no UTF-8 exists)."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ModelText(TypeDecorator[str]):
    """Text that a model or a file may have brought: what no database can store is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as it can be stored."""
        return None if value is None else storable(value)


class Base(DeclarativeBase):
    """Holds the metadata of all tables."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own spelling)
        str: Text,
        float: Float(53),
        datetime: UtcMoment,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


def id_column(foreign: str | None = None, *, primary: bool = False, deferred: bool = False) -> Any:
    """Return a column that holds an id, and where `foreign` is named refers to one.

    What no database can store is replaced in what is looked for too: a request may ask for any id.
    """
    if foreign is None:
        return mapped_column(ModelText, primary_key=primary)
    key = ForeignKey(foreign, deferrable=deferred or None, initially="DEFERRED" if deferred else None)
    return mapped_column(ModelText, key, primary_key=primary)
