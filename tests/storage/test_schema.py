"""The schema goes up and down, alone and whole, and is what the models say."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from camelx.errors import StorageError
from camelx.schemas import Annotation, Goal, Stage, Verdict
from camelx.storage import Store, database_revision, downgrade, head_revision, upgrade
from camelx.storage.connection import WRITES, database_url, open_engine
from camelx.storage.schema import REVISIONS, VERSION_TABLE, alembic_config
from camelx.storage.tables import Base

from .conftest import cycle, execution, turn


@pytest.fixture
def engine(database):
    opened = open_engine(database_url(database)).execution_options(**WRITES)
    yield opened
    opened.dispose()


def test_the_known_revisions_are_those_of_the_migrations():
    script = ScriptDirectory.from_config(alembic_config())
    assert tuple(step.revision for step in reversed(list(script.walk_revisions()))) == REVISIONS
    assert script.get_current_head() == head_revision()


def test_the_migrations_build_what_the_models_say(database, engine):
    upgrade(database)
    with engine.connect() as connection:
        options = {
            "version_table": VERSION_TABLE,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: not is_index_of_words(name, kind),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def is_index_of_words(name, kind):
    """Whether it is of the search index, which each database has in its own way: no model describes it."""
    return kind == "table" and name.startswith("interaction_words")


def test_the_schema_goes_up_and_down_with_data_in_it(database, engine):
    assert database_revision(database) is None
    upgrade(database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (id INTEGER)"))
        connection.execute(text("INSERT INTO somebody_elses VALUES (7)"))
    with Store.open(database) as store:
        goal = Goal.new("g")
        store.add_goals([goal])
        store.add_cycle(cycle(1, goal_ids=(goal.id,)))
    downgrade(database, "base")
    assert database_revision(database) is None
    assert set(inspect(engine).get_table_names()) == {"somebody_elses", VERSION_TABLE}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM somebody_elses")).scalar() == 7
    with Store.open(database) as store:
        assert store.goals() == []
    assert database_revision(database) == head_revision()


def test_every_step_up_and_down_keeps_the_rows(database, engine):
    with Store.open(database) as store:
        store.add_cycle(cycle(1, origin="import"))
    downgrade(database, "0001")
    assert database_revision(database) == "0001"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM cycles")).scalars().all() == ["c1"]
    with Store.open(database) as store:
        (kept,) = store.cycles()
    assert (kept.id, kept.origin) == ("c1", "run")


def test_no_step_down_and_up_makes_other_votes_of_those_that_are_there(database, engine):
    goal = Goal.new("g", answer="1")
    first, second = execution(goal, "executor-1"), execution(goal, "executor-2")
    vote, asked = turn(first, second, Verdict.FIRST)
    others = [{"id": "again", "round": 1, "verdict": Verdict.SECOND}, {"id": "listed", "form": "listwise"}]
    note = Annotation(
        id="a", goal_id=goal.id, first_id=first.id, second_id=second.id, annotator="ann", verdict="both_bad"
    )
    with Store.open(database) as store:
        store.add_goals([goal])
        store.add_cycle(cycle(1, goal_ids=(goal.id,)))
        store.save_interactions([first, second])
        store.save_turn([vote, *(vote.model_copy(update=other) for other in others)], asked)
        store.save_annotations([note])
        store.use_annotations("c1", Stage.RANK, [note])
        before = (store.goals(), store.interactions("c1"), store.annotations())
        assert len(store.votes("c1")) == 3
    for revision in reversed(REVISIONS[:-1]):
        downgrade(database, revision)
    with Store.open(database) as store:
        assert (store.goals(), store.interactions("c1"), store.annotations()) == before
        assert store.votes("c1") == [vote]


def test_an_upgrade_of_a_database_at_the_head_keeps_its_data(database):
    with Store.open(database) as store:
        store.add_goals([Goal.new("g")])
    upgrade(database)
    with Store.open(database) as store:
        assert len(store.goals()) == 1


def test_a_newer_schema_is_refused_by_every_way_in(database, engine):
    upgrade(database)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    message = "schema revision 9999, which this camelx does not know .* install the newer camelx or restore"
    with pytest.raises(StorageError, match=message):
        Store.open(database)
    with pytest.raises(StorageError, match=message):
        upgrade(database)
    with pytest.raises(StorageError, match=message):
        downgrade(database, "base")
    assert database_revision(database) == "9999"


def test_an_empty_database_is_not_upgraded_unasked(database):
    with pytest.raises(StorageError, match="run `camelx db upgrade`"):
        Store.open(database, upgrade=False)
    assert database_revision(database) is None


def test_a_migration_that_fails_leaves_nothing_behind(database, engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE votes (id INTEGER)"))
    with pytest.raises(StorageError, match="already exists"):
        upgrade(database)
    assert inspect(engine).get_table_names() == ["votes"]


def test_an_unknown_revision_is_named_with_the_known_ones(database):
    with pytest.raises(StorageError, match="no schema revision '7777'; known are base, 0001"):
        upgrade(database, "7777")
