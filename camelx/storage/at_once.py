"""Many interactions stored at once: what triggers keep of each is made of all in a few statements.

In: a connection in whose transaction an empty `interactions` is filled. Out: places, kinds and words as the
triggers would have made them, in a fraction of the time. Called by `restoring` and `played`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from camelx.storage.tables import InteractionPlaceRow

_OF_SQLITE = (
    "SELECT name, sql FROM sqlite_master "
    "WHERE type = 'trigger' AND tbl_name = 'interactions' AND name GLOB 'interactions_explored_*'"
)
_TRIGGER = "interactions_explored"
_INDEX = "ix_interaction_words_words"


@contextmanager
def placed_at_once(connection: Connection) -> Iterator[None]:
    """Leave the interactions that are stored inside to be placed together at the end.

    A schema from before the explorer has nothing to place: its upgrade does that.
    """
    if not inspect(connection).has_table(InteractionPlaceRow.__tablename__):
        yield
        return
    is_postgresql = connection.dialect.name == "postgresql"
    again = _postgresql_rests(connection) if is_postgresql else _sqlite_rests(connection)
    yield
    # The revision that made the triggers is the last one that says what they do; a test compares the two, so
    # that a later one that says otherwise is named here instead. Alembic is only there to be imported by it.
    from camelx.storage.migrations.versions.r0009_explorer import take_in

    for statement in (*take_in(connection.dialect.name), *again):
        connection.exec_driver_sql(statement)


def _sqlite_rests(connection: Connection) -> list[str]:
    """Drop the triggers, and return the statements that make them again."""
    triggers = connection.execute(text(_OF_SQLITE)).all()
    for trigger in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {trigger.name}")
    return [trigger.sql for trigger in triggers]


def _postgresql_rests(connection: Connection) -> list[str]:
    """Switch the trigger off and drop the index of words, and return the statements for the way back."""
    query = text("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname = :name")
    index = connection.execute(query, {"name": _INDEX}).scalar_one()
    connection.exec_driver_sql(f"ALTER TABLE interactions DISABLE TRIGGER {_TRIGGER}")
    connection.exec_driver_sql(f"DROP INDEX {_INDEX}")
    return [
        "SET LOCAL maintenance_work_mem = '256MB'",
        index,
        "SET CONSTRAINTS ALL IMMEDIATE",  # what waits for the end of the transaction would forbid the next
        f"ALTER TABLE interactions ENABLE TRIGGER {_TRIGGER}",
    ]
