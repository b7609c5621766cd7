"""A WebSocket shows a cycle to its end, from the event asked for; slow and absent clients slow nobody."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from fastapi import FastAPI, WebSocket
from live_server import live_server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from camelx.access import LOCAL
from camelx.config import Settings
from camelx.schemas import (
    AccessRole,
    Cycle,
    CycleEvent,
    CycleStatus,
    CycleStatusChanged,
    EventMessage,
    LogLine,
    utc_now,
)
from camelx.server import create_app
from camelx.server.streams import serve_stream
from camelx.watching import BoundedQueue
from camelx.workspace import Workspace

from .served import client_of, served

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def workspace(tmp_path, database):
    with Workspace.open(Settings(root=tmp_path, database_url=database)) as opened:
        opened.store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        yield opened


@pytest.fixture
def server(workspace):
    with live_server(create_app(workspace, pages=False)) as running:
        yield running


def address(server, cycle_id="c1", after=0):
    return f"{server.url.replace('http', 'ws')}/api/v1/ws/cycles/{cycle_id}?after={after}"


async def anybody():
    """Everybody may go on."""


def add(workspace, *numbers, text=""):
    lines = [(utc_now(), LogLine(level="INFO", message=f"{n}{text}")) for n in numbers]
    workspace.store.add_events("c1", lines)


def end(workspace):
    workspace.store.update_cycle("c1", status=CycleStatus.COMPLETED)
    workspace.store.add_events("c1", [(utc_now(), CycleStatusChanged(status=CycleStatus.COMPLETED))])


async def events(url):
    """The numbers of all events until the close, with the close itself."""
    seen = []
    async with connect(url, compression=None) as socket:
        try:
            while True:
                message = json.loads(await socket.recv())
                seen.append(message["event"]["seq"] if message["type"] == "event" else message)
        except ConnectionClosed as e:
            return seen, e.rcvd


async def test_a_client_gets_what_was_and_what_comes_and_is_told_the_end(workspace, server):
    add(workspace, 1, 2)
    watching = asyncio.create_task(events(address(server)))
    while workspace.events.n_subscriptions == 0:
        await asyncio.sleep(0.01)
    add(workspace, 3)
    end(workspace)
    seen, close = await watching
    assert seen == [1, 2, 3, 4]
    assert (close.code, close.reason) == (1000, "cycle c1 completed")
    assert workspace.events.n_subscriptions == 0


async def test_a_client_that_comes_back_goes_on_where_it_was(workspace, server):
    add(workspace, *range(1, 11))
    end(workspace)
    assert (await events(address(server, after=7)))[0] == [8, 9, 10, 11]
    assert (await events(address(server, after=11)))[0] == []


async def test_a_cycle_that_does_not_exist_is_named_in_the_close(server):
    seen, close = await events(address(server, "c9"))
    assert seen == []
    assert close.code == 4404
    assert close.reason == "there is no cycle 'c9'"


async def test_a_number_below_zero_is_refused(server):
    with pytest.raises(InvalidStatus) as refused:
        await events(address(server, after=-1))
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": AccessRole.ANNOTATOR}])
def test_a_socket_ends_once_its_user_is_not_who_they_were(tmp_path, monkeypatch, change):
    monkeypatch.setitem(serve_stream.__kwdefaults__, "heartbeat_s", 0.05)
    with served(tmp_path) as app:
        workspace = app.state.workspace
        workspace.store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        with client_of(app, "operator").websocket_connect("/api/v1/ws/cycles/c1") as socket:
            assert socket.receive_json()["type"] == "ping"
            workspace.access.change_user("operator", by=LOCAL, **change)
            while (message := socket.receive())["type"] == "websocket.send":
                pass
    assert (message["code"], message["reason"]) == (1008, "the session was ended; sign in again")


def test_a_socket_ends_once_its_token_is_revoked(tmp_path, monkeypatch):
    monkeypatch.setitem(serve_stream.__kwdefaults__, "heartbeat_s", 0.05)
    with served(tmp_path) as app:
        access = app.state.workspace.access
        app.state.workspace.store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        token, text = access.make_token("viewer", "x", None, None, by=LOCAL)
        client = client_of(app, headers={"Authorization": f"Bearer {text}"})
        with client.websocket_connect("/api/v1/ws/cycles/c1") as socket:
            assert socket.receive_json()["type"] == "ping"
            access.revoke_token(token.id, by=LOCAL)
            while (message := socket.receive())["type"] == "websocket.send":
                pass
    assert message["code"] == 1008


async def test_two_hundred_clients_see_all_of_a_cycle(workspace, server):
    watching = [asyncio.create_task(events(address(server))) for _ in range(200)]
    while workspace.events.n_subscriptions < 200:
        await asyncio.sleep(0.02)
    for n in range(0, 100, 20):
        await asyncio.to_thread(add, workspace, *range(n, n + 20))
    await asyncio.to_thread(end, workspace)
    for seen, close in await asyncio.gather(*watching):
        assert seen == list(range(1, 102))
        assert close.code == 1000


async def test_a_client_that_is_slower_than_the_cycle_is_told_and_holds_up_nobody(workspace, server):
    async with connect(address(server), max_queue=1, compression=None) as slow:
        while workspace.events.n_subscriptions < 1:
            await asyncio.sleep(0.01)
        for n in range(0, 1_200, 100):
            await asyncio.to_thread(add, workspace, *range(n, n + 100), text="x" * 40_000)
        await asyncio.to_thread(end, workspace)
        seen, _ = await events(address(server))
        assert seen == list(range(1, 1_202))
        messages = [json.loads(text) async for text in slow]
    n_sent = sum(message["type"] == "event" for message in messages)
    n_dropped = sum(message["n"] for message in messages if message["type"] == "dropped")
    assert n_dropped > 0
    assert n_sent + n_dropped == 1_201


class Words:
    """A stream of a queue, as live sessions have one."""

    def __init__(self) -> None:
        self.queue = BoundedQueue()
        self.heard = []

    @property
    def reason(self):
        return self.queue.reason

    def __aiter__(self):
        return self.queue

    async def on_text(self, text):
        self.heard.append(text)
        if text == "stop":
            self.queue.end("as you wish")


@pytest.fixture
def words():
    return Words()


@pytest.fixture
def talk(words):
    """A socket that pings often and waits half a second for whoever takes nothing."""
    app = FastAPI()

    @app.websocket("/")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await serve_stream(
                websocket, words, anybody, on_text=words.on_text, heartbeat_s=0.05, send_within_s=0.5
            )
        finally:
            words.heard.append("served")

    with live_server(app) as running:
        yield running.url.replace("http", "ws")


async def test_a_socket_where_nothing_happens_is_kept_alive(talk, words):
    async with connect(talk) as socket:
        assert [json.loads(await socket.recv())["type"] for _ in range(3)] == ["ping"] * 3


async def test_what_the_client_says_is_heard_and_the_end_has_its_reason(talk, words):
    async with connect(talk) as socket:
        await socket.send("hello")
        await socket.send(b"no text")
        await socket.send("stop")
        async for text in socket:
            assert json.loads(text)["type"] == "ping"
    assert (socket.close_code, socket.close_reason) == (1000, "as you wish")
    assert words.heard == ["hello", "stop", "served"]


async def test_a_client_that_goes_leaves_nothing_running(talk, words):
    async with connect(talk) as socket:
        await socket.recv()
    deadline = time.monotonic() + 60
    while "served" not in words.heard and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert words.heard == ["served"]


async def test_a_client_that_takes_nothing_is_let_go(talk, words):

    event = CycleEvent(cycle_id="c1", seq=1, payload=LogLine(level="INFO", message="x" * 100_000))
    async with connect(talk, max_queue=1, compression=None, ping_interval=None, close_timeout=0.1):
        deadline = time.monotonic() + 60
        while "served" not in words.heard and time.monotonic() < deadline:
            for _ in range(50):
                words.queue.put(EventMessage(event=event))
            await asyncio.sleep(0.01)
    assert words.heard == ["served"]
