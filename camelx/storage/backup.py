"""Backups of the whole database in one file, which either kind of database takes back.

In: a database's URL, a file's path. Out: a zip of one JSONL file per table, read in a single transaction
while others may go on writing, and a manifest with the schema's revision, columns, counts and checksums.
Called by `camelx db backup`; `restoring` is the way back.

    backup.zip
    ├── tables/goals.jsonl      one row a line, a JSON list in the order of the manifest's columns
    ├── ...                     tables in an order in which they can be filled
    └── manifest.json           written last: a file without it is not whole
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import ValidationError
from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, Table, Text, func, inspect, select
from sqlalchemy.engine import Connection, Engine

from camelx.errors import StorageError
from camelx.files import replacing
from camelx.schemas import Record, utc_now
from camelx.storage.connection import database_url, open_engine
from camelx.storage.faults import storage_boundary
from camelx.storage.schema import check_known, read_revision
from camelx.storage.tables import Base, InteractionKindRow, InteractionPlaceRow

FORMAT: Literal[1] = 1
"""Of the file; a change that an older camelx can't read raises it."""
MANIFEST = "manifest.json"
_DERIVED = frozenset((InteractionKindRow.__tablename__, InteractionPlaceRow.__tablename__))
"""Tables that triggers fill from others."""
Kind = Literal["text", "integer", "float", "boolean", "moment", "json"]
_BATCH = 1_000  # rows in memory at once
_LEVEL = 3  # of compression: more takes long and saves little


class BackedUpTable(Record):
    """One table of a backup."""

    name: str
    columns: dict[str, Kind]
    """By name, in the order of the values of a row."""
    rows: int
    sha256: str
    """Of the table's JSONL."""


class Manifest(Record):
    """What a backup holds."""

    format: Literal[1]
    camelx: str
    """Version that wrote it."""
    revision: str
    """Of the database's schema."""
    database: str
    """Kind of database that it came from: "sqlite" or "postgresql"; any kind takes it back."""
    created_at: datetime
    tables: tuple[BackedUpTable, ...]
    """In an order in which they can be filled."""

    @property
    def n_rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


def backup(url: str, path: Path, on_progress: Callable[[str, int], None] = lambda table, n: None) -> Manifest:
    """Write all that the database holds at this moment to a new file and return the file's manifest.

    The database may be of any revision that this version knows, so that it can be saved before an upgrade.
    Whoever writes to it meanwhile is not held up, and what they write is not in the file. Only its owner may
    read the file: it holds password hashes and all texts.

    Args:
        url: Of the database.
        path: The file; it is there only when it is whole.
        on_progress: Told, table by table, how many rows are written.

    Raises:
        StorageError: The database can't be read, has no tables of camelx or those of a newer version, or the
            file is there already or can't be written.
    """
    if path.exists():
        raise StorageError(f"{path} exists; a backup never overwrites a file: name another one")
    parsed = database_url(url)
    engine = open_engine(parsed)
    try:
        with storage_boundary(parsed, "the backup"), _snapshot(engine) as connection:
            revision = read_revision(connection)
            check_known(revision, engine)
            if revision is None:
                raise StorageError(f"database {_shown(engine)} has no tables of camelx: nothing to save")
            with replacing(path) as partial:
                partial.touch(mode=0o600)
                return _written(connection, partial, revision, on_progress)
    except OSError as e:
        raise StorageError(f"backup {path} can't be written: {e}") from e
    finally:
        engine.dispose()


def read_manifest(path: Path) -> Manifest:
    """Return what the file says it holds.

    Raises:
        StorageError: It is no backup, is not whole, or was written by a version that is too new.
    """
    with open_backup(path) as archive:
        return manifest_in(archive, path)


def open_backup(path: Path) -> zipfile.ZipFile:
    """Return the opened file.

    Raises:
        StorageError: It is not there, or is no zip file.
    """
    try:
        return zipfile.ZipFile(path)
    except OSError as e:
        raise StorageError(f"{path} can't be read: {e.strerror or e}") from e
    except zipfile.BadZipFile as e:
        raise StorageError(f"{path} is no backup of camelx, or not whole: {e}") from e


def manifest_in(archive: zipfile.ZipFile, path: Path) -> Manifest:
    """Return the manifest of an opened backup.

    Raises:
        StorageError: There is none, it is damaged, or of a version that is too new.
    """
    try:
        content = json.loads(archive.read(MANIFEST))
        found = content.get("format")
        if isinstance(found, int) and found > FORMAT:
            raise StorageError(
                f"{path} is a backup of format {found}, written by camelx {content.get('camelx')}; this "
                f"version reads up to format {FORMAT}: install the newer camelx"
            )
        return Manifest.model_validate(content)
    except (KeyError, ValueError, AttributeError, zipfile.BadZipFile, ValidationError) as e:
        raise StorageError(f"{path} is no backup of camelx, or is damaged: {e}") from e


def rows_in(archive: zipfile.ZipFile, table: BackedUpTable, path: Path) -> Iterator[list[Any]]:
    """Yield the rows of a table as JSON has them, and see at the end that they were what was saved.

    Raises:
        StorageError: The table is not there, or is not what the manifest says.
    """
    digest, n = hashlib.sha256(), 0
    try:
        with archive.open(_entry(table.name)) as lines:
            for line in lines:
                digest.update(line)
                n += 1
                row = json.loads(line)
                if not isinstance(row, list) or len(row) != len(table.columns):
                    raise ValueError(f"row {n} is not a list of {len(table.columns)} values")
                yield row
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile, zipfile.zlib.error) as e:  # type: ignore[attr-defined]
        raise StorageError(f"{path} is damaged: table {table.name}: {e}") from e
    if n != table.rows or digest.hexdigest() != table.sha256:
        raise StorageError(
            f"{path} is damaged: table {table.name} has {n:,} rows and checksum {digest.hexdigest()[:12]}, "
            f"the manifest says {table.rows:,} and {table.sha256[:12]}"
        )


def tables_of(connection: Connection) -> list[Table]:
    """Return those of camelx's tables that the database has and a backup holds, in an order to fill them."""
    there = set(inspect(connection).get_table_names()) - _DERIVED
    return [table for table in Base.metadata.sorted_tables if table.name in there]


def n_rows_in(url: str) -> int:
    """Return how many rows the database holds that a backup would save.

    Raises:
        StorageError: The database can't be reached.
    """
    parsed = database_url(url)
    engine = open_engine(parsed)
    try:
        with storage_boundary(parsed, "counting its rows"), engine.connect() as connection:
            return n_rows(connection)
    finally:
        engine.dispose()


def n_rows(connection: Connection) -> int:
    """Return how many rows all of camelx's tables hold."""
    counts = (select(func.count()).select_from(table) for table in tables_of(connection))
    return sum(connection.scalar(count) or 0 for count in counts)


def _snapshot(engine: Engine) -> Connection:
    """Return a connection whose one transaction sees the database as it is at its first statement."""
    if engine.dialect.name == "postgresql":
        return engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine.connect()


def _written(
    connection: Connection, path: Path, revision: str, on_progress: Callable[[str, int], None]
) -> Manifest:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=_LEVEL) as archive:
        tables = []
        for table in tables_of(connection):
            columns = _columns(connection, table)
            rows = _rows(connection, columns)
            with archive.open(_entry(table.name), "w", force_zip64=True) as out:
                n, sha256 = _write_rows(out, rows)
            kinds = {column.name: _kind(column) for column in columns}
            tables.append(BackedUpTable(name=table.name, columns=kinds, rows=n, sha256=sha256))
            on_progress(table.name, n)
        manifest = Manifest(
            format=FORMAT,
            camelx=version("camelx"),
            revision=revision,
            database=connection.dialect.name,
            created_at=utc_now(),
            tables=tuple(tables),
        )
        archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def _columns(connection: Connection, table: Table) -> list[Column[Any]]:
    """Return the columns that the table has in this database, whose revision may be an older one."""
    there = {str(column["name"]) for column in inspect(connection).get_columns(table.name)}
    return [column for column in table.columns if column.name in there]


def _rows(connection: Connection, columns: list[Column[Any]]) -> Iterator[list[Any]]:
    """Yield the rows without holding them all."""
    streaming = connection.execution_options(stream_results=True, yield_per=_BATCH)
    for row in streaming.execute(select(*columns)):
        yield list(row)


def _write_rows(out: IO[bytes], rows: Iterable[list[Any]]) -> tuple[int, str]:
    digest, n = hashlib.sha256(), 0
    for row in rows:
        line = json.dumps(row, default=_plain, separators=(",", ":")).encode() + b"\n"
        digest.update(line)
        out.write(line)
        n += 1
    return n, digest.hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    raise StorageError(f"a value of type {type(value).__name__} can't be saved: {value!r}")


def _kind(column: Column[Any]) -> Kind:
    impl = getattr(column.type, "impl_instance", column.type)
    kinds: tuple[tuple[Any, Kind], ...] = (
        (JSON, "json"),
        (DateTime, "moment"),
        (Boolean, "boolean"),
        (Integer, "integer"),
        (Float, "float"),
        (Text, "text"),
    )
    for known, kind in kinds:
        if isinstance(impl, known):
            return kind
    raise StorageError(f"column {column} is of type {column.type!r}, which backups don't know")


def _entry(table: str) -> str:
    return f"tables/{table}.jsonl"


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
