"""From a backup to a database, whole or not at all.

In: a file that `backup` wrote, the URL of a database of either kind. Out: the database holds what the file
holds, under this version's schema. Everything happens in one transaction: until its end others see the old
data, and where anything fails the old data stay.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, Text, column, func, inspect, select
from sqlalchemy import table as sql_table
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.types import TypeEngine

from camelx.errors import StorageError
from camelx.storage.at_once import placed_at_once
from camelx.storage.backup import (
    BackedUpTable,
    Kind,
    Manifest,
    manifest_in,
    n_rows,
    open_backup,
    rows_in,
    tables_of,
)
from camelx.storage.connection import WRITES, database_url, open_engine
from camelx.storage.faults import storage_boundary
from camelx.storage.rows import chunks
from camelx.storage.schema import (
    REVISIONS,
    check_known,
    head_revision,
    lock_for_migration,
    read_revision,
    run_alembic,
)
from camelx.storage.tables import Base, UtcMoment

_BATCH = 1_000  # rows in one statement
_TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": Text(),
    "integer": BigInteger(),
    "float": Float(53),
    "boolean": Boolean(),
    "moment": UtcMoment(),
    "json": JSON(),
}


def restore(
    url: str,
    path: Path,
    *,
    replace: bool = False,
    on_progress: Callable[[str, int], None] = lambda table, n: None,
) -> Manifest:
    """Fill the database with what the file holds and return the file's manifest.

    A backup of an older schema is brought to this version's on the way.

    Args:
        url: Of the database; it is made if there is none.
        path: A file that `backup` wrote, from whichever kind of database.
        replace: Put it in the place of what the database holds; False: the database must be empty.
        on_progress: Told, table by table, how many rows are in.

    Raises:
        StorageError: The file is damaged or of a newer version, the database is not empty, or it refused;
            then the database is as it was.
    """
    with open_backup(path) as archive:
        manifest = manifest_in(archive, path)
        _check_revision(manifest, path)
        parsed = database_url(url)
        engine = open_engine(parsed)
        writing = engine.execution_options(**WRITES)
        try:
            with storage_boundary(parsed, f"restoring {path}"), writing.begin() as connection:
                _make_room(connection, engine, manifest.revision, replace=replace)
                with placed_at_once(connection):
                    _fill(connection, archive, manifest, path, on_progress)
                run_alembic(connection, "upgrade", "head")
                _count_on(connection)
        finally:
            engine.dispose()
    return manifest


def _check_revision(manifest: Manifest, path: Path) -> None:
    if manifest.revision not in REVISIONS:
        raise StorageError(
            f"{path} was saved by camelx {manifest.camelx} under schema revision {manifest.revision}, which "
            f"this camelx does not know (its newest is {head_revision()}); install the newer camelx"
        )


def _make_room(connection: Connection, engine: Engine, revision: str, *, replace: bool) -> None:
    """Leave the database with empty tables of the file's revision."""
    lock_for_migration(connection)
    found = read_revision(connection)
    check_known(found, engine)
    if found is not None:
        if not replace and (n := n_rows(connection)):
            raise StorageError(
                f"database {engine.url.render_as_string(hide_password=True)} is not empty, it holds {n:,} "
                "rows; restore into another one, or add --replace to put the backup in their place"
            )
        _empty(connection)
        run_alembic(connection, "downgrade", "base")
    run_alembic(connection, "upgrade", revision)


def _empty(connection: Connection) -> None:
    """Let the way down meet no rows on PostgreSQL, where it would make indexes of what goes anyway."""
    if connection.dialect.name == "postgresql":
        ours = {*Base.metadata.tables, "interaction_words"}
        names = ", ".join(sorted(ours.intersection(inspect(connection).get_table_names())))
        connection.exec_driver_sql(f"TRUNCATE {names}")


def _fill(
    connection: Connection,
    archive: zipfile.ZipFile,
    manifest: Manifest,
    path: Path,
    on_progress: Callable[[str, int], None],
) -> None:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in manifest.tables:
        columns = (
            {str(c["name"]) for c in inspector.get_columns(table.name)} if table.name in there else set()
        )
        if unknown := sorted(table.columns.keys() - columns):
            raise StorageError(
                f"{path} is damaged: schema revision {manifest.revision} has no {table.name}.{unknown[0]}"
            )
        insert = sql_table(
            table.name, *(column(name, _TYPES[kind]) for name, kind in table.columns.items())
        ).insert()
        for some in chunks(_values(rows_in(archive, table, path), table, path), _BATCH):
            connection.execute(insert, list(some))
        on_progress(table.name, table.rows)


def _count_on(connection: Connection) -> None:
    """Let PostgreSQL number new rows behind the restored ones; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables_of(connection):
        if (number := table.autoincrement_column) is not None:
            sequence = func.pg_get_serial_sequence(table.name, number.name)
            following = select(func.coalesce(func.max(number), 0) + 1).scalar_subquery()
            connection.execute(select(func.setval(sequence, following, False)))


def _values(rows: Iterator[list[Any]], table: BackedUpTable, path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows as the columns take them."""
    names = list(table.columns)
    moments = [i for i, kind in enumerate(table.columns.values()) if kind == "moment"]
    for row in rows:
        for i in moments:
            if row[i] is not None:
                row[i] = _moment(row[i], table, path)
        yield dict(zip(names, row, strict=True))


def _moment(value: Any, table: BackedUpTable, path: Path) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as e:
        raise StorageError(f"{path} is damaged: table {table.name}: {value!r} is no moment") from e
