"""A stream of events survives what happens to its connection: no gap, no double, a clean stop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest
from live_server import free_port, live_server
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from camelx.client import ApiError, AsyncClient, UnreachableError
from camelx.client.calls import View
from camelx.config import Settings
from camelx.schemas import (
    Cycle,
    CycleEvent,
    CycleStatus,
    CycleStatusChanged,
    Dropped,
    EventMessage,
    LogLine,
    Ping,
    utc_now,
)
from camelx.server import create_app
from camelx.workspace import Workspace

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(Settings(root=tmp_path)) as opened:
        opened.store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        yield opened


def add(workspace, *numbers):
    lines = [(utc_now(), LogLine(level="INFO", message=str(n))) for n in numbers]
    workspace.store.add_events("c1", lines)


def end(workspace):
    workspace.store.update_cycle("c1", status=CycleStatus.COMPLETED)
    workspace.store.add_events("c1", [(utc_now(), CycleStatusChanged(status=CycleStatus.COMPLETED))])


async def test_a_cycle_is_watched_to_its_end(workspace):
    add(workspace, 1, 2)
    with live_server(create_app(workspace, pages=False)) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c1") as events:
            seen = [(await anext(events)).seq for _ in range(2)]
            await asyncio.to_thread(end, workspace)
            seen += [event.seq async for event in events]
    assert seen == [1, 2, 3]
    assert (events.reason, events.n_connections) == ("cycle c1 completed", 1)


async def test_a_server_that_is_stopped_and_started_again_leaves_no_gap_and_no_double(workspace):
    with live_server(create_app(workspace, pages=False)) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c1") as events:
            seen = []

            def restart():
                for n in range(0, 60, 20):
                    while workspace.events.n_subscriptions == 0:
                        time.sleep(0.01)
                    add(workspace, *range(n, n + 20))
                    server.stop()
                    add(workspace, -n)
                    server.start()
                end(workspace)

            outages = threading.Thread(target=restart)
            outages.start()
            async for event in events:
                assert isinstance(event, CycleEvent)
                seen.append(event.seq)
            outages.join()
    assert seen == list(range(1, 65))
    assert events.n_connections == 4
    assert events.n_dropped == 0


async def test_who_knows_some_events_is_sent_the_others(workspace):
    add(workspace, 1, 2, 3)
    end(workspace)
    with live_server(create_app(workspace, pages=False)) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c1", after=2) as events:
            assert [event.seq async for event in events] == [3, 4]


async def test_a_cycle_that_does_not_exist_is_an_error_at_once(workspace):
    with live_server(create_app(workspace, pages=False)) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c404") as events:
            with pytest.raises(ApiError, match=r"404 Not Found: .*c404"):
                await anext(events)


async def test_who_may_not_watch_is_told_so(tmp_path):
    with (
        Workspace.open(Settings(root=tmp_path, sign_in="on")) as workspace,
        live_server(create_app(workspace, pages=False)) as server,
    ):
        async with AsyncClient(server.url, token="camelx_wrong") as camelx, camelx.watch("c1") as events:
            with pytest.raises(ApiError) as refused:
                await anext(events)
    assert refused.value.status == 401


async def test_a_server_that_never_comes_back_is_given_up_with_the_last_event_named():
    url = f"http://127.0.0.1:{free_port()}"
    async with AsyncClient(url) as camelx, camelx.watch("c1", after=7, give_up_after_s=0.5) as events:
        with pytest.raises(UnreachableError, match="event 7 was the last"):
            await anext(events)
        with pytest.raises(UnreachableError):
            await anext(events)


class Script:
    """A WebSocket server that sends what it is told, then closes with a code."""

    def __init__(self, *connections) -> None:
        self.connections = list(connections)
        self.asked = []
        path = "/api/v1/ws/cycles/{cycle_id}"
        self.app = Starlette(routes=[WebSocketRoute(path, self.serve)])

    async def serve(self, websocket: WebSocket) -> None:
        self.asked.append(websocket.query_params["after"])
        await websocket.accept()
        records, code = self.connections.pop(0)
        for record in records:
            await websocket.send_text(record.model_dump_json())
        await websocket.close(code, "so be it")


def messages(*numbers):
    return [
        EventMessage(event=CycleEvent(cycle_id="c1", seq=n, payload=LogLine(level="INFO", message="")))
        for n in numbers
    ]


async def test_events_that_come_twice_are_given_once_and_pings_never():
    script = Script(
        (messages(1, 2), 1011), ([Ping(), *messages(2, 3)], 4408), (messages(3), 1001), ([], 1000)
    )
    with live_server(script.app) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c1") as events:
            assert [event.seq async for event in events] == [1, 2, 3]
    assert script.asked == ["0", "2", "3", "3"]
    assert events.reason == "so be it"


async def test_a_slow_reader_keeps_the_newest_and_all_that_is_missing_is_counted():
    sent = [Dropped(n=4), *messages(*range(5, 26))]
    with live_server(Script((sent, 1000)).app) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c1", size=10) as events:
            while not events.reason:
                await asyncio.sleep(0.01)
            items = [item async for item in events]
    assert items[0] == Dropped(n=15)
    assert [item.seq for item in items[1:]] == list(range(16, 26))
    assert events.n_dropped == 15


async def test_an_event_of_a_newer_server_is_passed_by_and_counted(caplog):
    payload = {"cycle_id": "c1", "seq": 2, "at": utc_now(), "payload": {"kind": "thought"}}
    newer = View(type="event", event=payload)
    with live_server(Script(([*messages(1), newer, *messages(3)], 1000)).app) as server:
        async with AsyncClient(server.url) as camelx, camelx.watch("c1") as events:
            seen = [item if isinstance(item, Dropped) else item.seq async for item in events]
    assert seen == [1, Dropped(n=1), 3]
    assert events.n_dropped == 1
    assert "event 2 of" in caplog.text


async def test_stopping_in_the_middle_leaves_no_task_and_no_warning(workspace, recwarn):
    gc.collect()  # what earlier tests left is not this one's
    recwarn.clear()
    add(workspace, 1)
    with live_server(create_app(workspace, pages=False)) as server:
        async with AsyncClient(server.url) as camelx:
            async with camelx.watch("c1") as events:
                await anext(events)
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert others == []
            while workspace.events.n_subscriptions:
                await asyncio.sleep(0.01)
    gc.collect()
    said = [str(warning.message) for warning in recwarn]
    assert [one for one in said if "was never awaited" in one or "was destroyed" in one] == []
