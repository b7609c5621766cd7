"""Live sessions over HTTP and WebSocket: whose they are, what is told, resuming, refusing."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from fastapi.testclient import TestClient
from live_server import live_server
from sessions.playing import ADMIN, ANN, hear, wait_for, write_configs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from camelx.schemas import AccessRole
from camelx.server import create_app
from camelx.sessions import Say, SessionRequest
from camelx.workspace import Workspace

pytestmark = pytest.mark.timeout(120)
PASSWORD = "correct horse battery"
GOAL = {"type": "message", "text": "How much is 2 and 2?"}


@pytest.fixture
def workspace(tmp_path, database):
    chosen = {"sign_in": "on", "database_url": database}
    settings = write_configs(tmp_path, piece_s=0.1).model_copy(update=chosen)
    with Workspace.open(settings) as opened:
        for name, role in (("ann", AccessRole.ANNOTATOR), ("bob", AccessRole.ANNOTATOR),
                           ("eve", AccessRole.VIEWER), ("root", AccessRole.ADMIN)):  # fmt: skip
            opened.access.add_user(name, role, PASSWORD, by=ADMIN)
        yield opened


def token(workspace, name):
    return workspace.access.jwt_of(workspace.access.user(name))[0]


@pytest.fixture
def as_user(workspace):
    """A client for each name."""
    app = create_app(workspace, pages=False)

    def client(name):
        return TestClient(app, headers={"Authorization": f"Bearer {token(workspace, name)}"})

    return client


def test_a_session_from_its_beginning_to_its_deletion(as_user, workspace):
    ann = as_user("ann")
    made = ann.post("/api/v1/sessions", json={"mode": "team"}, headers={"Idempotency-Key": "k1"})
    again = ann.post("/api/v1/sessions", json={"mode": "team"}, headers={"Idempotency-Key": "k1"})
    assert (made.status_code, again.json()["id"]) == (201, made.json()["id"])
    path = made.headers["Location"]
    assert ann.post(f"{path}/inputs", json=GOAL).status_code == 202
    wait_for(workspace.sessions, made.json()["id"], "deciding")
    refused = ann.post(f"{path}/inputs", json={"type": "pick", "verdict": "a"})
    assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
    assert ann.post(f"{path}/inputs", json={"type": "approve"}).status_code == 202
    wait_for(workspace.sessions, made.json()["id"], "listening")
    seen = ann.get(path, params={"after": 2}).json()
    assert [event["kind"] for event in seen["events"]] == ["human", "turn"]
    assert "hidden" not in seen["events"][0]
    assert ann.get("/api/v1/sessions").json()[0]["title"] == GOAL["text"]
    assert ann.post(f"{path}/close").json()["status"] == "ended"
    assert ann.delete(path).status_code == 204
    assert ann.get(path).status_code == 404


def test_others_find_nothing_and_viewers_may_not(as_user):
    ann, bob, eve, root = (as_user(name) for name in ("ann", "bob", "eve", "root"))
    path = ann.post("/api/v1/sessions", json={"mode": "talk"}).headers["Location"]
    assert bob.get(path).status_code == 404
    assert bob.post(f"{path}/inputs", json=GOAL).status_code == 404
    assert bob.get("/api/v1/sessions").json() == []
    assert eve.get("/api/v1/sessions").status_code == 403
    assert root.get(path).status_code == 200
    assert root.post(f"{path}/inputs", json=GOAL).status_code == 403
    assert root.delete(path).status_code == 403


def test_what_is_wrong_is_said(as_user):
    ann = as_user("ann")
    assert ann.post("/api/v1/sessions", json={"mode": "ab", "versions": ["x", "y"]}).status_code == 422
    assert ann.get("/api/v1/sessions/nothing").status_code == 422
    path = ann.post("/api/v1/sessions", json={"mode": "talk"}).headers["Location"]
    for sent in (
        {"type": "shout"},
        {"type": "message", "text": " "},
        {"type": "message", "text": "x" * 9_000},
    ):
        assert ann.post(f"{path}/inputs", json=sent).status_code == 422


def test_blind_answers_tell_nothing_of_who_gave_them(as_user, workspace):
    ann = as_user("ann")
    made = ann.post("/api/v1/sessions", json={"mode": "ab", "versions": ["executor", "second"]}).json()
    ann.post(f"/api/v1/sessions/{made['id']}/inputs", json=GOAL)
    wait_for(workspace.sessions, made["id"], "picking")
    seen = ann.get(f"/api/v1/sessions/{made['id']}").json()
    assert (seen["versions"], "second" in json.dumps(seen)) == ([], False)
    root = as_user("root")
    assert root.get("/api/v1/interactions").json()["items"] == []
    assert root.get("/api/v1/interactions/export").text == ""
    assert root.get("/api/v1/interactions/facets").json()["agents"] == []
    goal = workspace.store.goals()[0].id
    assert root.get(f"/api/v1/goals/{goal}/thread", params={"cycle_id": "live"}).text.count("second") == 0
    ann.post(f"/api/v1/sessions/{made['id']}/inputs", json={"type": "pick", "verdict": "b"})
    wait_for(workspace.sessions, made["id"], "listening")
    assert workspace.store.annotations()[0].annotator == "ann"
    told = root.get("/api/v1/interactions").json()["items"]
    assert {line["agent"] for line in told} == {"executor", "second"}
    trail = [entry.action for entry in workspace.access.trail(limit=10)]
    assert "session.pick" in trail


# --- the WebSocket


@pytest.fixture
def server(workspace):
    with live_server(create_app(workspace, pages=False)) as running:
        yield running


def line(server, workspace, session_id, after=0, name="ann"):
    url = f"{server.url.replace('http', 'ws')}/api/v1/ws/sessions/{session_id}?after={after}"
    return connect(url, additional_headers={"Authorization": f"Bearer {token(workspace, name)}"})


async def until(socket, wanted):
    """What comes until `wanted` says yes to it."""
    seen = []
    async with asyncio.timeout(30):
        while True:
            seen.append(json.loads(await socket.recv()))
            if wanted(seen[-1]):
                return seen


def waits_for(phase):
    return lambda message: message["type"] == "state" and message["phase"] == phase


async def test_words_are_heard_as_they_are_said_and_an_interjection_stops_them(server, workspace):
    i = workspace.sessions.create(ANN, SessionRequest()).id
    async with line(server, workspace, i) as socket:
        await until(socket, waits_for("listening"))
        await socket.send(json.dumps(GOAL))
        await until(socket, lambda m: m["type"] == "stream" and "Plan" in m["text"])
        await socket.send(json.dumps({"type": "interject", "text": "Take another way."}))
        seen = await until(socket, waits_for("deciding"))
    events = [m["event"] for m in seen if m["type"] == "event"]
    assert [e["kind"] for e in events] == ["proposal", "human", "proposal"]
    assert events[0]["data"]["finish_reason"] == "cancelled"
    assert events[2]["text"].startswith("Plan 2")


async def test_who_comes_back_gets_what_was_missed_and_what_is_being_said(server, workspace):
    i = workspace.sessions.create(ANN, SessionRequest(mode="talk")).id
    workspace.sessions.send(ANN, i, Say(text=GOAL["text"]))
    await asyncio.to_thread(hear, workspace.sessions, i, "Plan 1:")
    async with line(server, workspace, i) as socket:
        seen = await until(socket, waits_for("listening"))
    spoken = ""
    for message in (m for m in seen if m["type"] == "stream"):
        spoken = message["text"] if message["is_void"] else spoken + message["text"]
    turn = next(m["event"] for m in seen if m["type"] == "event" and m["event"]["kind"] == "turn")
    assert spoken == turn["text"]
    async with line(server, workspace, i, after=turn["seq"]) as socket:
        assert [m["type"] for m in await until(socket, waits_for("listening"))] == ["state"]


async def test_what_is_not_taken_is_said_and_the_line_stays_open(server, workspace):
    i = workspace.sessions.create(ANN, SessionRequest(mode="talk")).id
    async with line(server, workspace, i) as socket:
        for bad in ("no json", '{"type": "pick", "verdict": "a"}', '{"type": "shout"}', "[" * 70_000):
            await socket.send(bad)
            seen = await until(socket, lambda m: m["type"] == "refused")
            assert seen[-1]["detail"]
        await socket.send(json.dumps(GOAL))
        await until(socket, waits_for("busy"))


async def test_words_on_the_line_are_counted_as_changes_are(tmp_path):
    limited = write_configs(tmp_path).model_copy(update={"sign_in": "on", "write_rate": "3/minute"})
    with Workspace.open(limited) as workspace, live_server(create_app(workspace, pages=False)) as server:
        workspace.access.add_user("ann", AccessRole.ANNOTATOR, PASSWORD, by=ADMIN)
        i = workspace.sessions.create(ANN, SessionRequest(mode="talk")).id
        async with line(server, workspace, i) as socket:
            await until(socket, waits_for("listening"))
            for _ in range(3):
                await socket.send(json.dumps(GOAL))
                await until(socket, waits_for("busy"))
                await until(socket, waits_for("listening"))
            await socket.send(json.dumps(GOAL))
            said = (await until(socket, lambda m: m["type"] == "refused"))[-1]["detail"]
            assert said.startswith("too many requests; try again in ")
            await asyncio.to_thread(workspace.sessions.end, ANN, i)
            await until(socket, lambda m: m["type"] == "state" and m["status"] == "ended")
        async with httpx.AsyncClient(base_url=server.url) as client:
            headers = {"Authorization": f"Bearer {token(workspace, 'ann')}"}
            refused = await client.post(f"/api/v1/sessions/{i}/inputs", json=GOAL, headers=headers)
        assert refused.status_code == 429, "both ways are counted together"


async def test_anothers_session_is_none(server, workspace):
    i = workspace.sessions.create(ANN, SessionRequest(mode="talk")).id
    async with line(server, workspace, i, name="bob") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd.code == 4404
    async with line(server, workspace, i, name="root") as socket:
        await until(socket, waits_for("listening"))
        await socket.send(json.dumps(GOAL))
        assert "ann's" in (await until(socket, lambda m: m["type"] == "refused"))[-1]["detail"]


async def test_an_ended_session_goes_on_with_the_next_message(server, workspace):
    i = workspace.sessions.create(ANN, SessionRequest(mode="talk")).id
    async with line(server, workspace, i) as socket:
        await until(socket, waits_for("listening"))
        workspace.sessions.end(ANN, i)
        await until(socket, lambda m: m["type"] == "state" and m["status"] == "ended")
        await socket.send(json.dumps(GOAL))
        seen = await until(socket, waits_for("listening"))
        assert [m["event"]["kind"] for m in seen if m["type"] == "event"] == ["human", "turn"]
