"""The open database that `Store` stands on: connections, transactions, reading and writing of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import CompoundSelect, Select
from sqlalchemy.engine import Connection, Engine, Row

from camelx.errors import StorageError
from camelx.schemas import Record
from camelx.storage.connection import WRITES, database_url, for_single_reads, open_engine
from camelx.storage.faults import storage_boundary
from camelx.storage.rows import chunks, insert_new, records_of, row_of, upsert
from camelx.storage.schema import check_known, head_revision, migrate, read_revision
from camelx.storage.tables import Base

_Record = TypeVar("_Record", bound=Record)


class Database:
    """The database behind one engine; may be used from several threads.

    Every write is a short transaction of its own, finished when the method returns, so that a process
    killed between two calls has lost neither. Every method raises `StorageError` where the database can't
    be reached, is full or refuses a row.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**WRITES)
        self._reading = for_single_reads(engine)

    @classmethod
    def open(cls, url: str, *, upgrade: bool = True) -> Self:
        """Open the database; an empty or older one is brought to this version's schema first.

        Args:
            url: `sqlite:///path` (its folder is made) or `postgresql://...`.
            upgrade: False: refuse an empty or older database instead.

        Raises:
            StorageError: It can't be reached, is of a newer schema, or would have to be upgraded.
        """
        engine = open_engine(database_url(url))
        try:
            _bring_to_head(engine, upgrade=upgrade)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def _where(self) -> str:
        return f"database {self._engine.url.render_as_string(hide_password=True)}"

    @contextmanager
    def _write(self, what: str) -> Iterator[Connection]:
        with storage_boundary(self._engine.url, what), self._writing.begin() as connection:
            yield connection

    def _read(self, what: str, query: Select[Any] | CompoundSelect[Any]) -> Sequence[Row[Any]]:
        with storage_boundary(self._engine.url, what), self._reading.connect() as connection:
            return connection.execute(query).all()

    def _by_ids(
        self, kind: type[_Record], query: Select[Any], column: Any, ids: Iterable[str]
    ) -> list[_Record]:
        """Return the records whose column is among the ids, in as many statements as these need."""
        found: list[_Record] = []
        for some in chunks(sorted(set(ids))):
            found += records_of(kind, self._read("reading by id", query.where(column.in_(some))))
        return found

    def _save(self, what: str, model: type[Base], records: Iterable[Record]) -> None:
        with self._write(what) as connection:
            self._upsert(connection, model, records)

    def _upsert(self, connection: Connection, model: type[Base], records: Iterable[Record]) -> None:
        if rows := [row_of(record) for record in records]:
            connection.execute(upsert(model), rows)

    def _insert_new(self, connection: Connection, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            connection.execute(insert_new(model), rows)


def _bring_to_head(engine: Engine, *, upgrade: bool) -> None:
    with storage_boundary(engine.url, "opening it"), engine.connect() as connection:
        revision = read_revision(connection)
    check_known(revision, engine)
    if revision == head_revision():
        return
    if not upgrade:
        raise StorageError(
            f"database {engine.url.render_as_string(hide_password=True)} has schema revision {revision}, "
            f"this camelx needs {head_revision()}; run `camelx db upgrade`"
        )
    migrate(engine, "upgrade", "head")
