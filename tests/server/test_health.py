"""Probes tell whether the app lives and can work, and why not only to somebody who may know."""

from __future__ import annotations

import threading
import time

import pytest
from fastapi.testclient import TestClient

from camelx.config import Settings
from camelx.server import create_app
from camelx.server.readiness import PartState, Readiness, _Part
from camelx.workspace import Workspace


@pytest.fixture(autouse=True)
def _no_prefect(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def settings_at(folder, **fields):
    return Settings(**{"root": folder, "project": folder, "prefect_port": 1, **fields})


def asked(settings, path="/readyz"):
    with Workspace.open(settings) as workspace:
        client = TestClient(create_app(workspace, pages=False), base_url="http://127.0.0.1")
        return client.get(path)


def test_an_app_that_answers_is_alive(tmp_path):
    answer = asked(settings_at(tmp_path), "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_a_new_project_is_ready_and_says_what_is_not_there_yet(tmp_path):
    answer = asked(settings_at(tmp_path))
    parts = answer.json()["parts"]
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert {name: part["state"] for name, part in parts.items()} == {
        "database": "up", "disk": "up", "prefect": "absent", "mlflow": "absent", "models": "absent",
    }  # fmt: skip
    assert "schema revision" in parts["database"]["why"]
    assert "brings its own" in parts["prefect"]["why"]


def test_a_server_that_only_cycles_need_may_be_away(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    answer = asked(settings_at(tmp_path, mlflow_uri="http://127.0.0.1:1"))
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    parts = answer.json()["parts"]
    assert (parts["prefect"]["state"], parts["mlflow"]["state"]) == ("down", "down")
    assert "http://127.0.0.1:1/api" in parts["prefect"]["why"]


def test_without_its_database_the_app_is_not_ready(tmp_path):
    with Workspace.open(settings_at(tmp_path)) as workspace:
        client = TestClient(create_app(workspace, pages=False), base_url="http://127.0.0.1")
        with workspace.store._writing.begin() as connection:
            connection.exec_driver_sql("UPDATE camelx_schema SET version_num = '0001'")
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unready")
    assert answer.json()["parts"]["database"]["state"] == "down"


def test_who_is_not_signed_in_learns_the_state_and_no_reason(tmp_path):
    answer = asked(settings_at(tmp_path, sign_in="on"))
    assert answer.status_code == 200
    assert {part["why"] for part in answer.json()["parts"].values()} == {None}
    assert asked(settings_at(tmp_path, sign_in="on"), "/metrics").status_code == 401


def test_a_broken_config_of_agents_is_named(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "cycle.yaml").write_text("goals: {n: many}\n")
    part = asked(settings_at(tmp_path)).json()["parts"]["models"]
    assert part["state"] == "down"
    assert "agents.yaml does not exist" in part["why"]


@pytest.fixture
def readiness(tmp_path):
    with Workspace.open(settings_at(tmp_path)) as workspace:
        yield Readiness(workspace.store, workspace.settings)


class Slow:
    """A check that ends when it is let."""

    def __init__(self):
        self.released, self.n_asked = threading.Event(), 0

    def __call__(self):
        self.n_asked += 1
        self.released.wait(30)
        return PartState(state="up")


def test_a_part_whose_first_look_has_not_ended_is_being_checked_and_asked_once(readiness):
    slow = Slow()
    readiness._parts["models"] = _Part(slow, 0.0)
    reports = [readiness.report(within_s=1.0) for _ in range(3)]
    assert {(r.status, r.parts["models"].state) for r in reports} == {("degraded", "checking")}
    assert slow.n_asked == 1
    slow.released.set()
    while readiness.report().parts["models"].state != "up":
        time.sleep(0.01)


def test_while_a_part_is_looked_at_again_it_is_as_it_was(readiness):
    slow = Slow()
    slow.released.set()
    readiness._parts["models"] = _Part(slow, 0.0)
    assert readiness.report().parts["models"].state == "up"
    slow.released.clear()
    time.sleep(0.01)
    report = readiness.report(within_s=1.0)
    assert (report.status, report.parts["models"].state, slow.n_asked) == ("ready", "up", 2)
    slow.released.set()


def test_a_part_that_does_not_answer_at_all_is_down(readiness, monkeypatch):
    monkeypatch.setattr("camelx.server.readiness.LONGEST_LOOK_S", 0.0)
    slow = Slow()
    readiness._parts["models"] = _Part(slow, 0.0)
    assert readiness.report(within_s=0.1).parts["models"].state == "down"
    slow.released.set()


def test_a_database_that_does_not_answer_in_time_makes_the_app_unready(readiness):
    slow = Slow()
    readiness._parts["database"] = _Part(slow, 0.0, is_needed=True)
    report = readiness.report(within_s=0.1)
    assert (report.status, report.parts["database"].state) == ("unready", "down")
    slow.released.set()


def test_what_a_part_said_is_kept_for_a_moment(tmp_path):
    with Workspace.open(settings_at(tmp_path)) as workspace:
        readiness = Readiness(workspace.store, workspace.settings)
        n_asked = []
        check = lambda: n_asked.append(1) or PartState(state="up")  # noqa: E731
        readiness._parts["prefect"] = _Part(check, 60.0)
        for _ in range(3):
            readiness.report()
        assert len(n_asked) == 1
