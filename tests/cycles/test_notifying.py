"""Whoever wants to know that a cycle ended is told, and nobody who looks at a page waits for that."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from camelx import config
from camelx.cycles.notifying import close_and_tell
from camelx.schemas import Cycle, CycleStatus
from camelx.storage import Store


class SlowWebhook(ThreadingHTTPServer):
    """Takes what is posted to it once it is let."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Keep)
        self.posted, self.released = [], threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class _Keep(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.released.wait(30)
        self.server.posted.append(body["title"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def webhook(tmp_path, monkeypatch):
    server = SlowWebhook()
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.setenv("CAMELX_NOTIFY_URLS", f"json://127.0.0.1:{server.server_address[1]}/ended")
    config.settings.cache_clear()
    with Store.open(config.settings().resolved_database_url) as store:
        store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
    yield server
    server.shutdown()
    server.server_close()
    config.settings.cache_clear()


def sending():
    return [t for t in threading.enumerate() if t.name == "notifying"]


def test_whoever_people_wait_for_does_not_wait_for_the_message(webhook):
    assert close_and_tell(
        "c1", status=CycleStatus.FAILED, error="why", was=[CycleStatus.RUNNING], waits=False
    )
    assert webhook.posted == []
    webhook.released.set()
    for thread in sending():
        thread.join()
    assert webhook.posted == ["camelx: cycle c1 failed"]
    assert not close_and_tell("c1", status=CycleStatus.FAILED, was=[CycleStatus.RUNNING], waits=False)
    assert sending() == [], "it is told once"


def test_a_process_that_ends_with_its_cycle_waits_until_the_message_is_taken(webhook):
    webhook.released.set()
    close_and_tell("c1", status=CycleStatus.COMPLETED)
    assert webhook.posted == ["camelx: cycle c1 completed"]
