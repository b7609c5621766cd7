"""Records to rows and back, and the statements that write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Table, TextClause, bindparam, text
from sqlalchemy.engine import Row

from camelx.schemas import Record
from camelx.storage.tables import Base

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
