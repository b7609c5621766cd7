"""A backup holds what the database held at one moment, and brings it back to either kind of database."""

from __future__ import annotations

import itertools
import json
import stat
import threading
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from camelx.errors import StorageError
from camelx.schemas import Annotation, AuditEntry, Goal, InteractionFilter, Verdict, Vote
from camelx.storage import Store, backup, database_revision, downgrade, head_revision, read_manifest, restore
from camelx.storage.backup import MANIFEST
from storage.conftest import cycle, execution, turn

ODD = "NUL-free, but odd: \u2028 \U0001f600 ' \" \\ \t\n<b>"


def fill(url: str, n_goals: int = 3) -> None:
    with Store.open(url) as store:
        goals = [Goal.new(f"{i} {ODD}", answer=None if i % 2 else str(i)) for i in range(n_goals)]
        store.add_goals(goals)
        store.add_cycle(cycle(1, goal_ids=tuple(goal.id for goal in goals)))
        for goal in goals:
            answers = [execution(goal, f"executor-{i}", completion=f"{ODD} {i}") for i in range(2)]
            child = execution(goal, "executor-3", parent_id=answers[0].id)
            store.save_interactions([child, *answers])
            vote, asked = turn(answers[0], answers[1], Verdict.FIRST)
            store.save_turn([vote], asked)
            store.save_annotations(
                [
                    Annotation(
                        id=f"a-{goal.id}",
                        goal_id=goal.id,
                        first_id=answers[0].id,
                        second_id=answers[1].id,
                        annotator="ada",
                        verdict="both_bad",
                        rating=2,
                        edited_text="=1+1",
                        duration_s=1.5,
                        adjudicated=True,
                    )
                ]
            )


def everything(url: str) -> list[object]:
    with Store.open(url) as store:
        return [
            store.goals(),
            store.cycles(),
            store.interactions("c1"),
            store.votes("c1"),
            store.annotations(),
        ]


@pytest.fixture
def other_database(request, tmp_path):
    """Returns the URL of an empty database of the other kind."""

    def make(url: str) -> str:
        if url.startswith("postgresql"):
            return f"sqlite:///{tmp_path / 'other.db'}"
        return request.getfixturevalue("postgresql_database")()

    return make


def test_a_backup_brings_everything_back_to_the_same_database(database, tmp_path):
    fill(database)
    before = everything(database)
    saved = backup(database, tmp_path / "b.zip")
    assert saved.n_rows == read_manifest(tmp_path / "b.zip").n_rows > 20
    with Store.open(database) as store:
        store.delete_annotations([a.id for a in store.annotations()])
        store.add_goals([Goal.new("came later")])
    restore(database, tmp_path / "b.zip", replace=True)
    assert everything(database) == before


def test_either_kind_of_database_takes_the_backup_of_the_other(database, other_database, tmp_path):
    fill(database)
    backup(database, tmp_path / "b.zip")
    other = other_database(database)
    restore(other, tmp_path / "b.zip")
    assert everything(other) == everything(database)
    assert database_revision(other) == head_revision()


def test_a_database_that_is_not_empty_is_refused_and_stays_as_it_was(database, tmp_path):
    fill(database)
    backup(database, tmp_path / "b.zip")
    before = everything(database)
    with pytest.raises(StorageError, match=r"is not empty.*--replace"):
        restore(database, tmp_path / "b.zip")
    assert everything(database) == before


def test_a_backup_of_an_older_schema_is_brought_to_this_one(database, tmp_path):
    fill(database)
    with Store.open(database) as store:
        ids = {goal.id for goal in store.goals()}
    downgrade(database, "0005")
    saved = backup(database, tmp_path / "old.zip")
    assert saved.revision == "0005"
    other = f"sqlite:///{tmp_path / 'new.db'}"
    restore(other, tmp_path / "old.zip")
    with Store.open(other, upgrade=False) as store:
        assert {goal.id for goal in store.goals()} == ids
        assert store.annotations()[0].repeat == 0


def steps_to_replace(url, saved, n_goals):
    """Thousands of steps of SQLite, to put the backup in the place of so many goals."""
    fill(url, n_goals)
    steps = itertools.count()

    def count(connection, _record):
        connection.set_progress_handler(lambda: next(steps) and None, 1_000)

    event.listen(Pool, "connect", count)
    try:
        restore(url, saved, replace=True)
    finally:
        event.remove(Pool, "connect", count)
    return next(steps)


def test_what_replacing_takes_grows_no_faster_than_the_rows(tmp_path):
    small = f"sqlite:///{tmp_path / 'small.db'}"
    fill(small)
    backup(small, tmp_path / "b.zip")
    few, many = (
        steps_to_replace(f"sqlite:///{tmp_path / f'{n}.db'}", tmp_path / "b.zip", n) for n in (200, 800)
    )
    assert many < 5 * few


def test_a_full_database_of_this_schema_takes_an_older_backup(database, tmp_path):
    fill(database)
    downgrade(database, "0005")
    backup(database, tmp_path / "old.zip")
    with Store.open(database) as store:
        store.add_goals([Goal.new("came later")])
    restore(database, tmp_path / "old.zip", replace=True)
    with Store.open(database, upgrade=False) as store:
        assert len(store.goals()) == 3


def _changed(path, target, change):
    """Write the zip once more with `change` applied to the content of each entry."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if (content := change(name, old.read(name))) is not None:
                new.writestr(name, content)


DAMAGE = {
    "a row is gone": lambda name, content: (
        content.split(b"\n", 1)[1] if name == "tables/annotations.jsonl" else content
    ),
    "a row was changed": lambda name, content: (
        content.replace(b"both_bad", b"tie") if name == "tables/annotations.jsonl" else content
    ),
    "a table is gone": lambda name, content: None if name == "tables/votes.jsonl" else content,
    "no JSON": lambda name, content: b"{" + content if name == "tables/goals.jsonl" else content,
    "no manifest": lambda name, content: None if name == MANIFEST else content,
    "a manifest that is no object": lambda name, content: b"[]" if name == MANIFEST else content,
    "an unknown column": lambda name, content: (
        content.replace(b'"category"', b'"categori"') if name == MANIFEST else content
    ),
    "a table that is none": lambda name, content: (
        content.replace(b'"name":"goals"', b'"name":"sqlite_master"').replace(
            b'"name": "goals"', b'"name": "sqlite_master"'
        )
        if name == MANIFEST
        else content
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_refused_and_the_old_data_stay(what, database, tmp_path):
    fill(database)
    backup(database, tmp_path / "b.zip")
    fill_more = Goal.new("not in the backup")
    with Store.open(database) as store:
        store.add_goals([fill_more])
    before = everything(database)
    _changed(tmp_path / "b.zip", tmp_path / "damaged.zip", DAMAGE[what])
    with pytest.raises(StorageError, match=r"damaged|no backup"):
        restore(database, tmp_path / "damaged.zip", replace=True)
    assert everything(database) == before


def test_a_file_that_was_cut_or_has_a_flipped_bit_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    fill(url, n_goals=40)
    backup(url, tmp_path / "b.zip")
    whole = (tmp_path / "b.zip").read_bytes()
    for spoiled in (
        whole[: len(whole) // 2],
        whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        b"",
        b"PK",
    ):
        (tmp_path / "spoiled.zip").write_bytes(spoiled)
        with pytest.raises(StorageError, match=r"damaged|no backup|not whole"):
            restore(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "spoiled.zip")
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}") as store:
        assert store.goals() == []


@pytest.mark.parametrize(("field", "value"), [("format", 2), ("revision", "9999")])
def test_a_file_of_a_newer_version_is_refused(field, value, tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    fill(url)
    backup(url, tmp_path / "b.zip")

    def newer(name, content):
        return json.dumps(json.loads(content) | {field: value}).encode() if name == MANIFEST else content

    _changed(tmp_path / "b.zip", tmp_path / "newer.zip", newer)
    with pytest.raises(StorageError, match="install the newer camelx"):
        restore(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "newer.zip")


def test_a_backup_overwrites_nothing_and_is_its_owners_alone(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    fill(url)
    backup(url, tmp_path / "b.zip")
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    with pytest.raises(StorageError, match="never overwrites"):
        backup(url, tmp_path / "b.zip")


def test_a_database_without_tables_has_nothing_to_save(tmp_path):
    (tmp_path / "empty.db").touch()
    with pytest.raises(StorageError, match="no tables of camelx"):
        backup(f"sqlite:///{tmp_path / 'empty.db'}", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_what_is_written_during_a_backup_is_in_it_whole_or_not_at_all(database, tmp_path):
    """Pairs of a goal and its cycle's use of it are written in one transaction each, all the while."""
    fill(database, n_goals=50)
    stop, writes = threading.Event(), threading.Event()

    def write() -> None:
        with Store.open(database) as store:
            for n in itertools.count(2):
                if stop.is_set():
                    return
                goal = Goal.new(f"written meanwhile {n}")
                store.add_goals([goal])
                store.add_cycle(cycle(n, goal_ids=(goal.id,)))
                writes.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert writes.wait(60)
        for n in range(3):
            backup(database, tmp_path / f"{n}.zip")
    finally:
        stop.set()
        writer.join()
    with Store.open(database) as store:
        assert len(store.cycles()) > 2, "the writer was held up"
    for n in range(3):
        restored = f"sqlite:///{tmp_path / f'{n}.db'}"
        restore(restored, tmp_path / f"{n}.zip")
        with Store.open(restored) as store:
            goals = {goal.id for goal in store.goals()}
            assert all(goal_id in goals for one in store.cycles() for goal_id in one.goal_ids)


def test_a_restore_that_dies_half_way_leaves_the_old_data(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    fill(url)
    backup(url, tmp_path / "b.zip")
    before = everything(url)

    def disk_full(connection, cursor, statement, *rest):
        if statement.startswith("INSERT INTO votes"):
            raise OSError(28, "No space left on device")

    from camelx.storage import restoring

    def engine_that_fails(parsed):
        engine = open_engine(parsed)
        event.listen(engine, "before_cursor_execute", disk_full)
        return engine

    open_engine = restoring.open_engine
    monkeypatch.setattr(restoring, "open_engine", engine_that_fails)
    with pytest.raises((StorageError, OSError)):
        restore(url, tmp_path / "b.zip", replace=True)
    assert everything(url) == before


def test_votes_that_could_not_be_read_come_back_as_they_were(database, tmp_path):
    fill(database)
    with Store.open(database) as store:
        old = store.votes("c1")[0]
        store.save_votes([Vote(**dict(old) | {"verdict": None, "error": "no verdict line"})])
    backup(database, tmp_path / "b.zip")
    restore(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "b.zip")
    assert everything(f"sqlite:///{tmp_path / 'other.db'}") == everything(database)


def test_the_audit_trail_goes_on_behind_what_was_restored(database, other_database, tmp_path):
    with Store.open(database) as store:
        for n in range(3):
            store.add_audit_entry(AuditEntry(actor="ada", action="test", subject=str(n)))
    backup(database, tmp_path / "b.zip")
    other = other_database(database)
    restore(other, tmp_path / "b.zip")
    with Store.open(other) as store:
        store.add_audit_entry(AuditEntry(actor="ada", action="test", subject="3"))
        assert [entry.subject for entry in store.audit_entries()] == ["3", "2", "1", "0"]


def test_what_was_restored_is_searched_and_so_is_what_comes_after(database, other_database, tmp_path):
    fill(database)
    backup(database, tmp_path / "b.zip")
    restore(database, tmp_path / "b.zip", replace=True)
    other = other_database(database)
    restore(other, tmp_path / "b.zip")
    for url in (database, other):
        with Store.open(url) as store:
            assert len(found(store)) == len(store.interactions("c1"))
            assert len(found(store, agent="executor-3", text='"Answer 2"')) == 3
            late = execution(store.goals()[0], "late", completion="a plum at last")
            store.save_interactions([late])
            assert found(store, text="plum") == [late.id]
            store.save_interactions([late.model_copy(update={"completion": "a quince"})])
            assert (found(store, text="plum"), found(store, text="quince")) == ([], [late.id])


def found(store, **wanted):
    return [line.id for line in store.interaction_page(InteractionFilter(**wanted), limit=200).items]


def test_what_is_placed_at_once_stands_as_what_came_one_by_one(database, tmp_path):
    goals, start = [Goal.new(f"{i} {ODD}") for i in range(3)], datetime(2026, 3, 1, tzinfo=UTC)
    with Store.open(database) as store:
        store.add_goals(goals)
        store.add_cycle(cycle(1))
        for n, said in enumerate(("odd: two", "", "odd, odd", "x@y.z is größer", " \t", ODD) * 2):
            row = execution(goals[n % 3], f"executor-{n}", completion=said, error="odd" if n == 3 else None)
            moment = start + timedelta(microseconds=n, seconds=n // 4)
            store.save_interactions([row.model_copy(update={"created_at": moment})])
    one_by_one = placed(database)
    backup(database, tmp_path / "b.zip")
    restore(database, tmp_path / "b.zip", replace=True)
    assert placed(database) == one_by_one
    assert all(len(rows) >= 12 for rows in one_by_one)


def placed(url):
    """All places with their kinds, and every word of every one, as they stand in the tables."""
    with Store.open(url) as store:
        store.count_interactions(InteractionFilter(text="odd"))  # SQLite takes in what is due
        with store._engine.connect() as connection:
            words = "SELECT number, words::text FROM interaction_words ORDER BY number"
            if url.startswith("sqlite"):
                vocabulary = "fts5vocab('main', 'interaction_words', 'instance')"
                connection.exec_driver_sql(f"CREATE VIRTUAL TABLE temp.vocabulary USING {vocabulary}")
                words = 'SELECT doc, term, col, "offset" FROM temp.vocabulary ORDER BY 1, 2, 3, 4'
            kind = "k.cycle_id, k.stage, k.role, k.agent, k.model, k.status"
            places = (
                f"SELECT p.number, p.interaction_id, p.goal_id, {kind} FROM interaction_places p "
                "JOIN interaction_kinds k ON k.id = p.kind_id ORDER BY p.number"
            )
            return [connection.exec_driver_sql(query).all() for query in (places, words)]
