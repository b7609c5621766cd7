"""What the database says when it fails, in words that help: every driver's error becomes a `StorageError`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from camelx.errors import StorageError

BUSY_TIMEOUT_S = 30
"""How long a writer waits for another process's transaction."""

_KNOWN_FAULTS = (
    (
        ("database or disk is full", "disk full", "no space left"),
        "the disk is full; free some space: what was saved stays saved",
    ),
    (
        ("database is locked", "database table is locked"),
        f"another process has kept it locked for more than {BUSY_TIMEOUT_S} s; end that process or wait",
    ),
    (
        ("no such table", "undefinedtable", "no such column", "undefinedcolumn"),
        "it has not the tables of this version; run `camelx db upgrade`",
    ),
    (
        ("file is not a database", "database disk image is malformed"),
        "the file is not a whole SQLite database; restore a backup or name another file in "
        "CAMELX_DATABASE_URL",
    ),
    (
        ("readonly database", "read-only transaction", "insufficientprivilege"),
        "it can't be written; check its owner and its rights",
    ),
    (
        ("unable to open database file",),
        "the file can't be opened; check that its folder exists and can be written",
    ),
    (
        ("connection refused", "connection failed", "server closed the connection", "timeout expired",
         "could not translate host", "failed to resolve host", "no such file or directory"),
        "it can't be reached; check that the server runs and that CAMELX_DATABASE_URL is right",
    ),
)  # fmt: skip


@contextmanager
def storage_boundary(url: URL, what: str) -> Iterator[None]:
    """Convert what SQLAlchemy or the SQLite driver raises inside the block.

    Args:
        url: The database; its password is never shown.
        what: What was being done, such as "saving 3 interactions".

    Raises:
        StorageError: Says what failed, where, and what to do.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as e:
        where = f"database {url.render_as_string(hide_password=True)}: {what} failed"
        raise StorageError(f"{where}: {_explanation(e)}") from e


def _explanation(error: Exception) -> str:
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = " ".join(str(origin).split())
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return f"a row was refused because it contradicts what is stored or refers to a missing row: {said}"
    searched = f"{type(origin).__name__} {said}".lower()
    for marks, explanation in _KNOWN_FAULTS:
        if any(mark in searched for mark in marks):
            return f"{explanation} ({said})"
    return f"{type(origin).__name__}: {said}"
