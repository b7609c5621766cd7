"""Records to rows and back, and the statements that write them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import Table, TextClause, bindparam, text
from sqlalchemy.engine import Row

from camelx.schemas import Record
from camelx.storage.tables import Base

log = logging.getLogger(__name__)

_Record = TypeVar("_Record", bound=Record)
_Item = TypeVar("_Item")

MAX_PARAMETERS = 5_000
"""Ids in one statement: SQLite takes 32,766 parameters, PostgreSQL 65,535."""


def row_of(record: Record) -> dict[str, Any]:
    """Return the record's fields as what the columns take: plain strings, lists and dicts."""
    return {name: _plain(value) for name, value in record}


def records_of(kind: type[_Record], rows: Iterable[Row[Any]]) -> list[_Record]:
    """Return the checked records of rows whose columns are named like the fields."""
    validate = kind.__pydantic_validator__.validate_python
    return [validate(dict(row._mapping)) for row in rows]


def readable_of(
    kind: type[_Record], rows: Iterable[Row[Any]], key: Callable[[Row[Any]], str]
) -> list[_Record]:
    """Return the records of the rows that this version can read; the others are logged, each once.

    Args:
        kind: Of the records.
        rows: Perhaps written by a newer version.
        key: Names a row.
    """
    validate = kind.__pydantic_validator__.validate_python
    found = []
    for row in rows:
        try:
            found.append(validate(dict(row._mapping)))
        except ValidationError as e:
            log_unreadable_once(key(row), "; ".join(str(error["msg"]) for error in e.errors()[:3]))
    return found


@lru_cache(maxsize=1_000)  # it is read again and again
def log_unreadable_once(what: str, why: str) -> None:
    """Log, once in this process, that a row is left out."""
    log.warning("%s can't be read and is left out; perhaps a newer camelx wrote it: %s", what, why)


@cache
def upsert(model: type[Base]) -> TextClause:
    """Return the statement that inserts a row or replaces the one that has its key."""
    table = model.metadata.tables[model.__tablename__]
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    fresh = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in table.columns if not c.primary_key)
    return _insert(table, f"ON CONFLICT ({keys}) DO UPDATE SET {fresh}")


@cache
def insert_new(model: type[Base]) -> TextClause:
    """Return the statement that inserts a row unless its key is taken."""
    return _insert(model.metadata.tables[model.__tablename__], "ON CONFLICT DO NOTHING")


def chunks(items: Iterable[_Item], size: int = MAX_PARAMETERS) -> Iterator[Sequence[_Item]]:
    """Yield the items in lists that fit into one statement."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _insert(table: Table, on_conflict: str) -> TextClause:
    """Return an INSERT as text: SQLAlchemy's own ON CONFLICT is compiled anew at every call, for 1 ms."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join(f":{column.name}" for column in table.columns)
    statement = text(f'INSERT INTO "{table.name}" ({names}) VALUES ({values}) {on_conflict}')
    return statement.bindparams(*(bindparam(column.name, type_=column.type) for column in table.columns))


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [dict(item) if isinstance(item, Record) else item for item in value]
    return value
