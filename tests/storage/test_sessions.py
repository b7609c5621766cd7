"""What the database keeps of live sessions, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from camelx.errors import NotFoundError, StorageError
from camelx.schemas import (
    LIVE_CYCLE,
    SESSION_SOURCE,
    Goal,
    Interaction,
    LiveSession,
    Role,
    SessionEvent,
    Stage,
    session_goal_id,
)
from camelx.storage import Store, downgrade
from camelx.storage.connection import database_url

from .conftest import cycle


def session(i="s1", **fields):
    return LiveSession(
        **{"id": i, "owner": "ann", "policy_name": "p", "policy_base": "demo", "config": {"a": 1}, **fields}
    )


def event(seq, kind="human", i="s1", **fields):
    return SessionEvent(
        **{"session_id": i, "seq": seq, "kind": kind, "speaker": "ann", "text": "hi", **fields}
    )


def test_a_session_and_what_happened_in_it_come_back(store):
    store.add_live_session(session(versions=("base", "p/1"), has_review=True))
    events = [event(1), event(2, "turn", text="<b>\0", data={"x": [1]}, hidden={"A": "base"})]
    store.append_session_events(events, phase="picking", title="hi")
    found = store.live_session("s1")
    assert (found.phase, found.title, found.versions) == ("picking", "hi", ("base", "p/1"))
    assert store.session_events("s1")[0] == events[0]
    (second,) = store.session_events("s1", after=1)
    assert (second.text, second.data, second.hidden) == ("<b>\ufffd", {"x": [1]}, {"A": "base"})


def test_a_number_that_is_taken_is_refused_and_nothing_is_stored(store):
    store.add_live_session(session())
    store.append_session_events([event(1)], phase="busy")
    goal = Goal(id=session_goal_id("x"), text="x", source=SESSION_SOURCE)
    with pytest.raises(StorageError):
        store.append_session_events([event(1)], phase="listening", goals=[goal])
    assert (store.live_session("s1").phase, store.goals()) == ("busy", [])


def test_an_event_that_only_a_newer_camelx_can_read_is_left_out_and_its_number_stays_taken(store, caplog):
    store.add_live_session(session("s7"))
    store.append_session_events([event(n, i="s7") for n in (1, 2, 3)], phase="listening")
    with store._writing.begin() as connection:
        connection.exec_driver_sql("UPDATE session_events SET kind = 'thought' WHERE seq > 1")
    assert [e.seq for e in store.session_events("s7")] == [1]
    assert store.last_session_event("s7") == 3
    assert (store.session_events("s7", after=2), store.last_session_event("s9")) == ([], 0)


def test_people_see_their_own_sessions_the_latest_first(store):
    for i, owner in (("s1", "ann"), ("s2", "bob"), ("s3", "ann")):
        store.add_live_session(session(i, owner=owner))
    store.append_session_events([event(1)], phase="listening")
    assert [s.id for s in store.live_sessions(owner="ann")] == ["s1", "s3"]
    assert len(store.live_sessions()) == 3


def test_a_deleted_session_is_gone_but_its_policy_is_known(store):
    store.add_live_session(session())
    store.append_session_events([event(1)], phase="listening", title="secret")
    store.delete_live_session("s1")
    with pytest.raises(NotFoundError, match="s1"):
        store.live_session("s1")
    assert (store.live_sessions(), store.session_events("s1")) == ([], [])
    assert store.live_sessions_by_id(["s1", "s9"])["s1"].title == ""


def test_the_cycle_of_sessions_is_no_cycle_that_runs(store):
    store.add_cycle(cycle(1))
    store.add_live_session(session())
    store.add_live_session(session("s2"))
    assert [found.id for found in store.cycles()] == ["c1"]
    assert store.latest_cycle().id == "c1"
    assert store.next_cycle_number() == 2
    assert store.cycle(LIVE_CYCLE).origin == "session"


def test_what_people_typed_is_never_drawn_as_a_goal(store):
    typed = Goal(id=session_goal_id("How much?"), text="How much?", source=SESSION_SOURCE)
    store.add_live_session(session())
    store.append_session_events([event(1)], phase="listening", goals=[typed])
    assert store.goals_for_cycle(10) == []
    imported = Goal.new("How much?", split="heldout")
    assert store.add_goals([imported]) == 1, "the same text may be imported, and held out, later"


def test_going_back_keeps_what_was_said_and_going_on_makes_the_tables_again(database, store):
    from sqlalchemy import create_engine

    from camelx.storage import Store, downgrade, upgrade
    from camelx.storage.connection import database_url

    store.add_live_session(session())
    row = Interaction(
        id="i1",
        cycle_id=LIVE_CYCLE,
        stage=Stage.GENERATE,
        goal_id="g",
        agent="e",
        role=Role.EXECUTOR,
        model="m",
    )
    goal = Goal(id="g", text="g", source=SESSION_SOURCE)
    store.append_session_events([event(1)], phase="listening", goals=[goal], interactions=[row])
    store.close()
    downgrade(database, "0010")
    engine = create_engine(database_url(database))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT origin FROM cycles")).scalars().all() == ["import"]
        assert connection.execute(text("SELECT id FROM interactions")).scalars().all() == ["i1"]
    engine.dispose()
    upgrade(database)
    with Store.open(database) as again:
        assert (again.live_sessions(), list(again.interactions_by_id(["i1"]))) == ([], ["i1"])


def test_for_an_earlier_version_a_pair_that_is_held_back_waits_for_no_pick(store, database):
    for i, hidden in (("held", {"held_back": {"id": "x"}}), ("logged", {"place": "A"})):
        store.add_live_session(session(i))
        store.append_session_events([event(1, "turn", i=i, hidden=hidden)], phase="picking")
    downgrade(database, "0013")
    engine = create_engine(database_url(database))
    with engine.connect() as connection:
        phases = connection.execute(text("SELECT id, phase FROM live_sessions ORDER BY id")).all()
        n_events = connection.execute(text("SELECT count(*) FROM session_events")).scalar()
    engine.dispose()
    assert (phases, n_events) == ([("held", "listening"), ("logged", "picking")], 2)
    with Store.open(database) as again:
        assert [e.hidden for e in again.session_events("held")] == [{"held_back": {"id": "x"}}]
