"""The database: goals, cycles, and everything that a cycle asked, judged and decided.

Records go in and records come out; SQL stays in this room, and no other imports SQLAlchemy. SQLite is the
default, PostgreSQL the same code by another URL. Stages, the annotation page and the command line call
`Store`; `camelx db` calls the functions of `camelx.storage.schema`.
"""

from camelx.storage.backup import Manifest, backup, n_rows_in, read_manifest
from camelx.storage.played import PlayedCycle
from camelx.storage.restoring import restore
from camelx.storage.schema import database_revision, downgrade, head_revision, upgrade
from camelx.storage.store import Store

__all__ = [
    "Manifest",
    "PlayedCycle",
    "Store",
    "backup",
    "database_revision",
    "downgrade",
    "head_revision",
    "n_rows_in",
    "read_manifest",
    "restore",
    "upgrade",
]
