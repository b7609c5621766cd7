"""Cycles are started, stopped and continued in real processes against a real Prefect server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest
from e2e.conftest import CountingServer
from pydantic import SecretStr
from small_cycles import answering, small_base, small_project, wait_until  # noqa: F401
from stored_cycles import add_completed

from camelx.config import Settings
from camelx.errors import CamelxError, ConfigError, ConflictError, NotFoundError
from camelx.orchestration.control import CycleControl
from camelx.orchestration.detached import last_lines
from camelx.orchestration.server import PrefectServer
from camelx.runtime.processes import is_alive
from camelx.runtime.repeating import repeated
from camelx.schemas import CycleStatus, Launch, Stage
from camelx.storage import Store


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted to it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.posted: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_address[1]}/ended"


class _Keep(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(
    small_project: Settings,  # noqa: F811
    webhook: Webhook,
    server: PrefectServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Of a project whose cycles report to a Prefect server that has no worker."""
    monkeypatch.setenv("PREFECT_API_URL", server.api_url)
    monkeypatch.setenv("CAMELX_NOTIFY_URLS", webhook.url)
    monkeypatch.setenv("CAMELX_PUBLIC_URL", "https://camelx.example")
    from camelx import config

    config.settings.cache_clear()
    return config.settings()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings.resolved_database_url) as opened:
        yield opened


@pytest.fixture
def control(settings: Settings, store: Store) -> Iterator[CycleControl]:
    made = CycleControl(store, settings)
    yield made
    for cycle in store.cycles():
        launch = store.launch(cycle.id)
        if launch is not None and launch.pid is not None and is_alive(launch.pid, launch.process_began):
            os.kill(launch.pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(launch.pid)], timeout=10)


def status(store: Store, cycle_id: str = "c1") -> CycleStatus:
    return store.cycle(cycle_id).status


def launch_of(store: Store, cycle_id: str = "c1") -> Launch:
    launch = store.launch(cycle_id)
    assert launch is not None
    return launch


@pytest.mark.parametrize(
    ("config", "overrides", "said"),
    [
        ("cycle.yaml", {"goals.m": 3}, "unknown key"),
        ("cycle.yaml", {"policy.base": "/etc"}, "policy.base: this names code, files or servers"),
        ("cycle.yaml", {"evaluation": {"callable": "os:system"}}, "evaluation.callable"),
        ("../cycle.yaml", {}, "there are cycle.yaml"),
        ("agents.yaml", {}, "agents must be the path"),
    ],
)
def test_what_is_wrong_with_a_start_is_said_at_once_and_leaves_nothing(
    control: CycleControl, store: Store, config: str, overrides: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        control.start(config, overrides, by="anna")
    assert store.cycles() == []


def test_the_configs_that_can_be_chosen_are_those_that_load(
    control: CycleControl, settings: Settings
) -> None:
    (settings.configs_dir / "broken.yaml").write_text("goals: {m: 3}\n")
    (settings.configs_dir / "secret.yaml").symlink_to("/etc/hostname")
    assert control.configs() == ["cycle.yaml"]


@pytest.mark.slow
def test_a_started_cycle_has_its_id_at_once_and_completes_in_a_process_of_its_own(
    control: CycleControl, store: Store, settings: Settings, webhook: Webhook
) -> None:
    cycle = control.start("cycle.yaml", {"goals.n": 6}, by="anna", trace_id="trace-of-the-request")
    assert (cycle.id, cycle.status, cycle.trace_id) == ("c1", CycleStatus.QUEUED, "trace-of-the-request")
    with pytest.raises(ConflictError, match="cycle c1 is queued"):
        control.start("cycle.yaml", by="ben")
    wait_until(lambda: status(store) is not CycleStatus.QUEUED)
    assert status(store) is CycleStatus.RUNNING, last_lines(settings, "c1", 30)
    with pytest.raises(ConflictError, match="cycle c1 is running"):
        control.start("cycle.yaml", by="ben")
    wait_until(lambda: status(store) not in (CycleStatus.QUEUED, CycleStatus.RUNNING))
    done = store.cycle("c1")
    assert done.status is CycleStatus.COMPLETED, last_lines(settings, "c1", 30)
    assert len(done.goal_ids) == 6
    assert {row.trace_id for row in store.interactions("c1")} == {"trace-of-the-request"}
    assert launch_of(store).requested_by == "anna"
    assert launch_of(store).flow_run_id is not None
    wait_until(lambda: not is_alive(launch_of(store).pid or 0, launch_of(store).process_began))
    (message,) = webhook.posted
    assert message["title"] == "camelx: cycle c1 completed"
    assert "held-out goals: champion" in message["message"]
    assert "https://camelx.example/cycles?cycle=c1" in message["message"]
    with pytest.raises(ConflictError, match="has completed; name the stage"):
        control.resume("c1", by="anna")
    with pytest.raises(ConflictError, match="nothing to cancel"):
        control.cancel("c1")


@pytest.mark.slow
def test_a_running_cycle_is_cancelled_once_and_goes_on_where_it_stopped(
    control: CycleControl,
    store: Store,
    settings: Settings,
    webhook: Webhook,
    answering: CountingServer,  # noqa: F811
) -> None:
    answering.delay_s = 0.1
    control.start("cycle.yaml", by="anna")
    wait_until(lambda: answering.n_answered >= 8)
    with ThreadPoolExecutor(4) as clicks:
        assert {one.id for one in clicks.map(control.cancel, ["c1"] * 4)} == {"c1"}
    wait_until(lambda: status(store) is CycleStatus.CANCELLED)
    report = store.stage_reports("c1")[Stage.GENERATE]
    assert report.status is CycleStatus.CANCELLED
    assert control.cancel("c1").status is CycleStatus.CANCELLED
    wait_until(lambda: not is_alive(launch_of(store).pid or 0, launch_of(store).process_began))
    assert [one["title"] for one in webhook.posted] == ["camelx: cycle c1 cancelled"]

    answering.delay_s = 0.0
    n_before = answering.n_answered
    assert control.resume("c1", by="ben").status is CycleStatus.QUEUED
    assert control.resume("c1", by="ben").status is CycleStatus.QUEUED
    wait_until(lambda: status(store) is CycleStatus.COMPLETED)
    asked = [row for row in store.interactions("c1") if row.stage in (Stage.GENERATE, Stage.RANK)]
    assert answering.n_answered <= len(asked) + 4
    assert n_before >= 8
    wait_until(lambda: len(webhook.posted) == 2)
    assert webhook.posted[1]["title"] == "camelx: cycle c1 completed"


def test_a_queued_cycle_is_cancelled_before_it_begins(
    control: CycleControl,
    store: Store,
    answering: CountingServer,  # noqa: F811
) -> None:
    control.start("cycle.yaml", by="anna")
    assert control.cancel("c1").status is CycleStatus.CANCELLED
    launch = launch_of(store)
    wait_until(lambda: not is_alive(launch.pid or 0, launch.process_began))
    assert status(store) is CycleStatus.CANCELLED
    assert store.cycle("c1").error == "cancelled before it began"
    assert answering.n_answered == 0


@pytest.mark.slow
def test_a_process_that_is_killed_is_noticed_told_of_and_in_nobodys_way(
    control: CycleControl,
    store: Store,
    settings: Settings,
    webhook: Webhook,
    answering: CountingServer,  # noqa: F811
) -> None:
    control.start("cycle.yaml", by="anna")
    launch = launch_of(store)
    os.kill(launch.pid or 0, signal.SIGKILL)
    wait_until(lambda: not is_alive(launch.pid or 0, launch.process_began))
    with repeated(CycleControl(store, settings).settle, 0.1, "settling"):
        wait_until(lambda: status(store) is CycleStatus.FAILED)
    assert "its process ended before the cycle began" in (store.cycle("c1").error or "")
    wait_until(lambda: [one["title"] for one in webhook.posted] == ["camelx: cycle c1 failed"])

    answering.delay_s = 0.1
    assert CycleControl(store, settings).start("cycle.yaml", by="anna").id == "c2"
    wait_until(lambda: answering.n_answered >= 4)
    launch = launch_of(store, "c2")
    os.kill(launch.pid or 0, signal.SIGKILL)
    wait_until(lambda: not is_alive(launch.pid or 0, launch.process_began))
    # Threads of a killed process may hold its lock for a moment longer than its main one.
    wait_until(lambda: control.cycle("c2").error == "its process ended without a word")
    CycleControl(store, settings).settle()
    CycleControl(store, settings).settle()
    assert status(store, "c2") is CycleStatus.FAILED
    wait_until(lambda: [one["title"] for one in webhook.posted][1:] == ["camelx: cycle c2 failed"])


def test_a_cancellation_that_reached_nobody_may_be_asked_again_at_once(
    control: CycleControl, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_completed(store, 1)
    store.update_cycle("c1", status=CycleStatus.RUNNING)
    running = subprocess.Popen(["sleep", "60"])
    began = psutil.Process(running.pid).create_time()
    host = socket.gethostname()
    store.save_launch(
        Launch(cycle_id="c1", requested_by="anna", host=host, pid=running.pid, process_began=began)
    )

    def refuse(pid: int, which: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr("camelx.orchestration.detached.os.kill", refuse)
        for _ in range(2):
            with pytest.raises(ConflictError, match="another user's"):
                control.cancel("c1")
            assert launch_of(store, "c1").cancel_asked_at is None
        assert control.stop_all(within_s=0.0) == ["c1"], "one out of reach keeps nobody from the others"
    running.kill()
    running.wait()


def test_what_does_not_exist_cannot_be_stopped_or_continued(control: CycleControl) -> None:
    for ask in (control.cancel, lambda cycle_id: control.resume(cycle_id, by="anna")):
        with pytest.raises(NotFoundError, match="no cycle 'c9'"):
            ask("c9")
    with pytest.raises(CamelxError, match="stages are"):
        control.resume("c9", "trian", by="anna")


def test_an_address_that_takes_no_message_is_logged_without_its_password(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    from camelx.cycles.notifying import begin_telling
    from camelx.cycles.summary import CycleSummary
    from camelx.schemas import Cycle

    wrong = settings.model_copy(
        update={
            "notify_urls": (SecretStr("json://anna:geheim@127.0.0.1:9/x"), SecretStr("no-such://geheim")),
        }
    )
    ended = Cycle(id="c1", number=1, status=CycleStatus.FAILED, config={}, trace_id="t", error="why")
    begin_telling(CycleSummary(cycle=ended, reports={}), wrong).join()
    assert "begins with json:" in caplog.text
    assert "begins with no-such:" in caplog.text
    assert "geheim" not in caplog.text
