"""What goes wrong with a database is said in words that help; nothing saved is lost."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from sqlalchemy import event

from camelx.errors import StorageError
from camelx.schemas import Goal
from camelx.storage import Store
from camelx.storage.connection import database_url, open_engine

from .conftest import cycle


@pytest.fixture
def path(tmp_path):
    return tmp_path / "camelx.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def _opened_with(url, pragma):
    """A store whose connections have one more SQLite setting."""
    engine = open_engine(database_url(url))
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))
    return Store(engine)


def test_a_full_disk_is_named_and_what_was_saved_stays(url):
    with Store.open(url) as store:
        store.add_goals([Goal.new("kept")])
    with _opened_with(url, "max_page_count=1") as full:
        with pytest.raises(StorageError, match="disk is full; free some space: what was saved"):
            full.add_goals(Goal.new(f"{i} " + "x" * 4_000) for i in range(100))
        assert [goal.text for goal in full.goals()] == ["kept"]
    with Store.open(url) as store:
        assert store.add_goals([Goal.new("later")]) == 1


def test_a_locked_database_is_named_and_still_read(url, path):
    Store.open(url).close()
    with _opened_with(url, "busy_timeout=20") as store:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another process has kept it locked"):
            store.add_cycle(cycle(1))
        assert store.cycles() == []
        blocker.execute("ROLLBACK")
        store.add_cycle(cycle(1))
        blocker.close()


def test_several_openers_of_a_new_database_all_succeed(database):
    failures = []

    def open_it():
        try:
            with Store.open(database) as store:
                store.add_goals([Goal.new(threading.current_thread().name)])
        except StorageError as e:
            failures.append(e)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Store.open(database) as store:
        assert len(store.goals()) == 6


def test_a_file_that_is_no_database_is_named(url, path):
    path.write_bytes(b"these are not the bytes of a database " * 100)
    with pytest.raises(StorageError, match="not a whole SQLite database"):
        Store.open(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"the folder of database .* can't be made"):
        Store.open(f"sqlite:///{tmp_path}/file/camelx.db")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(StorageError, match="can't be opened"):
        Store.open(f"sqlite:///{tmp_path}")


def test_an_unreachable_server_is_named_without_the_password():
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as caught:
        Store.open("postgresql://ann:s3cret@127.0.0.1:1/camelx")
    assert "can't be reached; check that the server runs" in str(caught.value)
    assert "ann:***@127.0.0.1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "said"),
    [("camelx.db", "is not a database URL"), ("mysql://u:p@h/n", "'mysql' databases are not")],
)
def test_a_wrong_url_is_refused_with_what_is_expected(bad, said):
    with pytest.raises(StorageError, match=said):
        Store.open(bad)


def test_missing_tables_ask_for_an_upgrade(url):
    with (
        Store(open_engine(database_url(url))) as store,
        pytest.raises(StorageError, match="camelx db upgrade"),
    ):
        store.goals()


def test_a_value_that_is_no_json_is_refused(store):
    store.add_cycle(cycle(1))
    with pytest.raises(StorageError, match="not JSON serializable"):
        store.update_cycle("c1", config={"path": object()})
