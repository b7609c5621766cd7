"""One app per live session: the second is refused, unless the first is gone; nobody waits for a dead one."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from camelx.agents import SharedEngines
from camelx.config import Settings
from camelx.errors import ConflictError
from camelx.runtime.processes import began_at
from camelx.schemas import SessionHold, utc_now
from camelx.sessions import Say, SessionRegistry, SessionRequest, Stop, open_session
from camelx.sessions.holding import Holds
from camelx.storage import Store

from .playing import ANN, hear, kinds, say, wait_for, write_configs

pytestmark = pytest.mark.timeout(120)
TALK = SessionRequest(mode="talk")
FIRST = Say(text="How much is 2 and 2?")


@pytest.fixture
def store(database):
    with Store.open(database) as opened:
        yield opened


@pytest.fixture
def slow(tmp_path):
    """Agents that answer for as long as a test takes, unless they are stopped."""
    return write_configs(tmp_path, piece_s=1.0)


@pytest.fixture
def elsewhere(database, tmp_path):
    """Another app on the same database, with a connection of its own."""
    engines = SharedEngines()
    with Store.open(database) as store:
        made = SessionRegistry(store, Settings(root=tmp_path, project=tmp_path), engines)
        yield made
        made.close()
    engines.close()


def test_a_session_that_another_app_has_open_is_refused_and_left_as_it_is(slow, opened, elsewhere):
    here = opened(slow)
    i = here.create(ANN, TALK).id
    here.send(ANN, i, FIRST)
    hear(here, i, "Plan")
    for act in (
        lambda: elsewhere.send(ANN, i, FIRST),
        lambda: elsewhere.reopen(ANN, i),
        lambda: elsewhere.end(ANN, i),
        lambda: elsewhere.delete(ANN, i),
    ):
        with pytest.raises(
            ConflictError, match=r"open in another app of camelx \(process \d+ on .*close it there"
        ):
            act()
    seen = elsewhere.view(ANN, i)
    assert (seen.session.status, seen.session.phase, seen.is_running) == ("active", "busy", False)
    here.send(ANN, i, Stop())
    assert kinds(wait_for(here, i, "listening")) == ["human", "turn"]


def test_a_session_that_was_closed_goes_on_in_another_app(settings, opened, elsewhere):
    here = opened(settings)
    i = here.create(ANN, TALK).id
    say(here, i, FIRST)
    here.end(ANN, i)
    assert say(elsewhere, i, Say(text="Say it in French.")).events[-1].text == "La réponse est quatre."
    with pytest.raises(ConflictError):
        here.send(ANN, i, FIRST)
    with pytest.raises(ConflictError):
        here.delete(ANN, i)
    elsewhere.end(ANN, i)
    assert len(say(here, i, FIRST).events) == 6


def test_two_apps_that_open_a_session_at_once_open_it_once(settings, opened, elsewhere):
    here = opened(settings)
    i = here.create(ANN, TALK).id
    here.end(ANN, i)
    results: list[str] = []
    start = threading.Barrier(8)

    def open_it(sessions):
        start.wait()
        try:
            sessions.reopen(ANN, i)
            results.append("here" if sessions is here else "elsewhere")
        except ConflictError:
            results.append("refused")

    threads = [threading.Thread(target=open_it, args=(s,)) for s in (here, elsewhere) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) in (["elsewhere"] * 4 + ["refused"] * 4, ["here"] * 4 + ["refused"] * 4)


def held_by(process_id, session_id, *, host=None, began=None, until=None):
    holds = Holds(None)
    return SessionHold(
        session_id=session_id,
        holder="the app that was killed",
        host=host or holds._host,
        pid=process_id,
        process_began=began,
        until=until or utc_now().replace(year=9000),
    )


def test_what_an_app_that_was_killed_had_open_is_free_at_once_on_its_machine(settings, opened, store):
    here = opened(settings)
    i = here.create(ANN, TALK).id
    here.end(ANN, i)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        assert store.take_session_hold(held_by(other.pid, i, began=began_at(other.pid)), now=utc_now())
        with pytest.raises(ConflictError, match=f"process {other.pid}"):
            here.send(ANN, i, FIRST)
    finally:
        other.kill()
        other.wait()
    assert say(here, i, FIRST).events[-1].kind == "turn"


def test_an_app_on_another_machine_that_gives_no_sign_of_life_loses_its_sessions(settings, opened, store):
    here = opened(settings)
    i = here.create(ANN, TALK).id
    here.end(ANN, i)
    assert store.take_session_hold(held_by(1, i, host="elsewhere"), now=utc_now())
    with pytest.raises(ConflictError, match="on elsewhere"):
        here.send(ANN, i, FIRST)
    store.renew_session_holds("the app that was killed", utc_now())
    assert say(here, i, FIRST).events[-1].kind == "turn"


def test_an_app_that_was_only_asleep_writes_nothing_into_what_another_one_took(
    slow, opened, elsewhere, store
):
    here = opened(slow)
    i = here.create(ANN, TALK).id
    here.send(ANN, i, FIRST)
    hear(here, i, "Plan")
    asleep = store.session_hold(i)
    # As if it had not renewed its hold for a minute.
    assert store.take_session_hold(held_by(1, i, host="elsewhere"), now=asleep.until, gone=asleep.holder)
    here.send(ANN, i, Stop())
    while here.is_running(i):
        threading.Event().wait(0.01)
    assert [event.kind for event in store.session_events(i)] == ["human"]
    assert store.live_session(i).status == "active", "it is the other's to end"
    assert store.session_hold(i).host == "elsewhere"


def test_an_app_renews_its_holds_for_as_long_as_it_lives(settings, opened, store):
    here = opened(settings, hold_s=0.3)
    i = here.create(ANN, TALK).id
    first = store.session_hold(i).until
    while store.session_hold(i).until <= first:
        threading.Event().wait(0.02)
    here.close()
    assert store.session_hold(i) is None


@pytest.fixture
def stuck(slow, opened, store, monkeypatch):
    """A registry, a session that was closed and still waits to write its last, and what lets it."""
    here = opened(slow)
    i = here.create(ANN, TALK).id
    here.send(ANN, i, FIRST)
    hear(here, i, "Plan")
    save, go = store.append_session_events, threading.Event()

    def late(events, **fields):
        assert go.wait(60)
        save(events, **fields)

    monkeypatch.setattr(open_session, "_JOIN_S", 0.05)
    monkeypatch.setattr(store, "append_session_events", late)
    yield here, i, go
    go.set()


def wait_until_over(session_id):
    for thread in threading.enumerate():
        if thread.name == f"session-{session_id}":
            thread.join(60)


def test_a_session_that_does_not_end_in_time_is_not_opened_twice(stuck, store):
    here, i, go = stuck
    here.end(ANN, i)
    for act in (lambda: here.send(ANN, i, FIRST), lambda: here.reopen(ANN, i)):
        with pytest.raises(ConflictError, match=r"still ending.*try again"):
            act()
    assert store.session_hold(i) is not None, "no other app may open it either"
    go.set()
    wait_until_over(i)
    view = say(here, i, Say(text="Say it in French."))
    assert kinds(view) == ["human", "turn", "human", "turn"]


def test_nothing_is_written_into_a_session_that_was_deleted_while_it_ended(stuck, store):
    here, i, go = stuck
    here.delete(ANN, i)
    go.set()
    wait_until_over(i)
    assert store.session_events(i) == []
    assert store.live_sessions() == []
