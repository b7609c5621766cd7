"""From a URL to an engine: dialect, folders, SQLite's settings and its transactions."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError

from camelx.errors import StorageError
from camelx.storage.faults import BUSY_TIMEOUT_S
from camelx.storage.tables import storable

_DOUBTFUL = re.compile(r"\\u(?:0000|d[89a-f])")
"""NUL and halves of surrogate pairs, as `json` writes them."""
WRITES = {"camelx_writes": True}
"""Execution option of a connection that is going to write."""
_KEPT_OPEN = 20
"""Connections: with SQLAlchemy's 5, an app that many people use opens and closes one at nearly every read."""


def database_url(url: str) -> URL:
    """Return the parsed URL with the driver that camelx uses.

    Raises:
        StorageError: It is no URL, or names a database other than SQLite and PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StorageError(
            "CAMELX_DATABASE_URL is not a database URL; expected sqlite:///path/camelx.db or "
            "postgresql://user:password@host/name"
        ) from None
    backend = parsed.drivername.split("+")[0]
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        if importlib.util.find_spec("psycopg") is None:
            raise StorageError("PostgreSQL needs the psycopg package: pip install 'psycopg[binary]'")
        return parsed.set(drivername="postgresql+psycopg")
    raise StorageError(f"{backend!r} databases are not supported; use a sqlite or postgresql URL")


def open_engine(url: URL) -> Engine:
    """Return an engine; nothing is connected yet, but the folder of a SQLite file is there.

    Raises:
        StorageError: The folder can't be made.
    """
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=_KEPT_OPEN,
            max_overflow=_KEPT_OPEN,
            json_serializer=portable_json,
        )
    pool: dict[str, Any] = {}
    if url.database and url.database != ":memory:":
        pool = {"pool_size": _KEPT_OPEN}
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise StorageError(f"the folder of database {url.database} can't be made: {e}") from e
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_S}, json_serializer=portable_json, **pool
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_single_reads(engine: Engine) -> Engine:
    """Return the engine for reads of one statement, which PostgreSQL need not be told the ends of."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def portable_json(value: Any) -> str:
    """Return JSON that both databases take: a number that is not finite is null, texts are `storable`.

    Raises:
        StorageError: The value is not JSON.
    """
    try:
        written = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if not _DOUBTFUL.search(written):
            return written
    except ValueError:
        pass
    except TypeError as e:
        raise StorageError(f"a value can't be stored as JSON: {e}") from e
    return json.dumps(_clean(value), allow_nan=False, separators=(",", ":"))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        return storable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    """Let readers and one writer work side by side, and take transactions from Python's driver.

    The driver would begin one only before an INSERT and leave DDL outside, so that a killed migration
    stayed half done.
    """
    dbapi_connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin; a writer asks for its lock at once, because one that has read before can't wait for it."""
    writes = connection.get_execution_options().get("camelx_writes")
    raw: Any = connection.connection.dbapi_connection
    raw.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
