"""The client in a live session with a real server: begun, talked in, followed through a restart, ended."""

from __future__ import annotations

import asyncio

import pytest
from live_server import live_server
from sessions.playing import write_configs

from camelx.client import ApiError, AsyncClient, Client, sessions
from camelx.schemas import AccessRole, Dropped
from camelx.server import create_app
from camelx.workspace import Workspace

pytestmark = pytest.mark.timeout(120)
GOAL = "How much is 2 and 2?"


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(write_configs(tmp_path, piece_s=0.1)) as opened:
        yield opened


@pytest.fixture
def server(workspace):
    with live_server(create_app(workspace, pages=False)) as running:
        yield running


async def until(line, wanted):
    """What comes until `wanted` says yes to it."""
    seen = []
    async with asyncio.timeout(60):
        async for message in line:
            seen.append(message)
            if wanted(message):
                return seen
    raise AssertionError([message.model_dump() for message in seen])


def waits_for(phase):
    return lambda message: message.type == "state" and message.phase == phase


def kinds(seen):
    return [message.event["kind"] for message in seen if message.type == "event"]


def test_a_session_is_begun_listed_talked_in_ended_and_deleted(server):
    with Client(server.url) as camelx:
        made = camelx.send(sessions.begin("talk", has_review=True))
        assert (made.mode, made.status, made.is_running) == ("talk", "active", True)
        assert [one.id for one in camelx.send(sessions.every(limit=5))] == [made.id]
        assert camelx.send(sessions.say(made.id, GOAL)) is None
        while (now := camelx.send(sessions.one(made.id))).phase == "busy":
            pass
        assert [event["kind"] for event in now.events] == ["human", "turn", "comment"]
        assert (now.title, now.under_way) == (GOAL, {})
        assert [e["kind"] for e in camelx.send(sessions.one(made.id, after=1)).events] == ["turn", "comment"]
        assert camelx.send(sessions.end(made.id)).status == "ended"
        assert camelx.send(sessions.delete(made.id)) is None
        with pytest.raises(ApiError) as gone:
            camelx.send(sessions.one(made.id))
    assert gone.value.status == 404


def test_two_are_compared_blind_and_the_pick_tells_who_was_who(server):
    with Client(server.url) as camelx:
        made = camelx.send(sessions.begin("ab", versions=("executor", "second")))
        camelx.send(sessions.say(made.id, GOAL))
        while camelx.send(sessions.one(made.id)).phase != "picking":
            pass
        camelx.send(sessions.tell(made.id, type="pick", verdict="b", rationale="it counts right"))
        while (now := camelx.send(sessions.one(made.id))).phase != "listening":
            pass
    assert now.events[-1]["data"]["verdict"] == "b"
    assert {now.events[-1]["data"][side] for side in "ab"} == {"executor (scripted)", "second (scripted)"}


def test_what_does_not_fit_the_moment_is_refused_in_words(server):
    with Client(server.url) as camelx:
        made = camelx.send(sessions.begin("talk"))
        with pytest.raises(ApiError, match=r"409 Conflict: .*waits for a message"):
            camelx.send(sessions.tell(made.id, type="approve"))
        with pytest.raises(ApiError) as refused:
            camelx.send(sessions.begin("talk", versions=("nobody",)))
    assert refused.value.status == 422


async def test_a_conversation_is_heard_as_it_is_made_and_interrupted(server):
    async with AsyncClient(server.url) as camelx:
        made = await camelx.send(sessions.begin())
        async with camelx.converse(made.id) as line:
            await until(line, waits_for("listening"))
            await line.send({"type": "message", "text": GOAL})
            await until(line, lambda m: m.type == "stream" and m.text)
            await line.send({"type": "interject", "text": "Take another way."})
            seen = await until(line, waits_for("deciding"))
            assert kinds(seen) == ["proposal", "human", "proposal"]
            await line.send({"type": "pick", "verdict": "a"})
            assert "approve" in (await until(line, lambda m: m.type == "refused"))[-1].detail
            await line.send({"type": "approve"})
            assert kinds(await until(line, waits_for("listening"))) == ["human", "turn"]
            assert (line.last_seq, line.n_dropped) == (6, 0)
        async with camelx.converse(made.id, after=4) as line:
            assert kinds(await until(line, waits_for("listening"))) == ["human", "turn"]


async def test_a_server_that_is_stopped_and_started_again_loses_nothing_of_a_conversation(server, workspace):
    async with AsyncClient(server.url) as camelx:
        made = await camelx.send(sessions.begin("talk"))
        async with camelx.converse(made.id) as line:
            await until(line, waits_for("listening"))
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await camelx.send(sessions.say(made.id, GOAL))
            seen = await until(line, lambda m: m.type == "event" and m.event["kind"] == "turn")
            assert [m.event["seq"] for m in seen if m.type == "event"] == [1, 2]
            assert not any(isinstance(message, Dropped) for message in seen)
            assert line.n_connections == 2


async def test_a_session_that_is_not_theirs_is_none(tmp_path):
    settings = write_configs(tmp_path).model_copy(update={"sign_in": "on"})
    with Workspace.open(settings) as workspace, live_server(create_app(workspace, pages=False)) as server:
        from sessions.playing import ADMIN

        for name in ("ann", "bob"):
            workspace.access.add_user(name, AccessRole.ANNOTATOR, "a long enough password", by=ADMIN)
        tokens = {n: workspace.access.jwt_of(workspace.access.user(n))[0] for n in ("ann", "bob")}
        async with AsyncClient(server.url, token=tokens["ann"]) as ann:
            made = await ann.send(sessions.begin("talk"))
        async with AsyncClient(server.url, token=tokens["bob"]) as bob, bob.converse(made.id) as line:
            with pytest.raises(ApiError) as refused:
                await anext(line)
        assert refused.value.status == 404
        async with AsyncClient(server.url) as nobody, nobody.converse(made.id) as line:
            with pytest.raises(ApiError) as unknown:
                await anext(line)
        assert unknown.value.status == 401
