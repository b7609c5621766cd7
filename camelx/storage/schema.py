"""The revision of the database's schema, and the way to another one, by Alembic without an alembic.ini.

Alembic is imported only when there is something to do, because every start of camelx passes here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection, Engine

from camelx.errors import StorageError
from camelx.storage.connection import WRITES, database_url, open_engine
from camelx.storage.faults import storage_boundary

REVISIONS = tuple(f"{n:04}" for n in range(1, 16))
"""All revisions that this version knows, oldest first; a file in migrations/versions each."""

VERSION_TABLE = "camelx_schema"
"""Not Alembic's default name, which MLflow and Prefect use too, perhaps in the same database."""

_UPGRADE_LOCK = 0x63616D656C78  # "camelx": PostgreSQL's advisory locks are named by a number


def head_revision() -> str:
    """Return the revision of this version's schema."""
    return REVISIONS[-1]


def database_revision(url: str) -> str | None:
    """Return the revision of the database; None where it has no camelx tables.

    Raises:
        StorageError: The database can't be reached.
    """
    parsed = database_url(url)
    engine = open_engine(parsed)
    try:
        with storage_boundary(parsed, "reading the schema revision"), engine.connect() as connection:
            return read_revision(connection)
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database up to a revision; data is kept.

    Raises:
        StorageError: The database can't be reached, or its schema is newer than this version.
    """
    _migrate(url, "upgrade", revision)


def downgrade(url: str, revision: str) -> None:
    """Bring the database back to an older revision ("base" removes all tables of camelx).

    Raises:
        StorageError: The database can't be reached, or its schema is newer than this version.
    """
    _migrate(url, "downgrade", revision)


def read_revision(connection: Connection) -> str | None:
    """Return the revision that the connected database says it has."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def check_known(revision: str | None, engine: Engine) -> None:
    """Refuse a database that a newer camelx has written.

    Raises:
        StorageError: Names the revision and what to do.
    """
    if revision is not None and revision not in REVISIONS:
        raise StorageError(
            f"database {engine.url.render_as_string(hide_password=True)} has schema revision {revision}, "
            f"which this camelx does not know (its newest is {head_revision()}); install the newer camelx "
            "or restore a backup"
        )


def migrate(engine: Engine, command: str, revision: str) -> None:
    """Run Alembic's `command` ("upgrade" or "downgrade") in one transaction, alone.

    Raises:
        StorageError: The database can't be reached, or its schema is newer than this version.
    """
    writing = engine.execution_options(**WRITES)
    with storage_boundary(engine.url, f"the schema {command} to {revision}"), writing.begin() as connection:
        lock_for_migration(connection)
        check_known(read_revision(connection), engine)
        run_alembic(connection, command, revision)


def lock_for_migration(connection: Connection) -> None:
    """Let nobody else change the schema until this transaction ends; SQLite's writers are alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))


def _migrate(url: str, command: str, revision: str) -> None:
    if revision not in (*REVISIONS, "head", "base"):
        raise StorageError(
            f"there is no schema revision {revision!r}; known are base, {', '.join(REVISIONS)} and head"
        )
    engine = open_engine(database_url(url))
    try:
        migrate(engine, command, revision)
    finally:
        engine.dispose()


def run_alembic(connection: Connection, command: str, revision: str) -> None:
    """Run Alembic's `command` inside the connection's transaction."""
    from alembic import command as alembic_command

    config = alembic_config()
    config.attributes["connection"] = connection
    getattr(alembic_command, command)(config, revision)


def alembic_config() -> Any:
    """Return Alembic's config, pointing at the migrations inside this package."""
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
