"""Run by Alembic: migrates over the connection, and in the transaction, that `schema.migrate` opened."""

from __future__ import annotations

from alembic import context

from camelx.storage.schema import VERSION_TABLE
from camelx.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite can change a table only by copying it
)
with context.begin_transaction():
    context.run_migrations()
