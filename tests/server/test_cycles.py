"""/api/v1/cycles as a program meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from stored_cycles import add_completed, add_running

from camelx.schemas import CycleStatus, Launch, Stage
from camelx.workspace import Workspace

ROOT = Path(__file__).parents[2]


def test_the_list_is_paged_newest_first_and_can_be_filtered(client: TestClient, workspace: Workspace) -> None:
    for number in range(1, 6):
        add_completed(workspace.store, number)
    add_running(workspace.store, 6)
    seen, cursor = [], None
    while True:
        page = client.get(
            "/api/v1/cycles", params={"limit": 4} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [one["cycle_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["c6", "c5", "c4", "c3", "c2", "c1"]
    running = client.get("/api/v1/cycles", params={"status": "running"}).json()["items"]
    assert [one["cycle_id"] for one in running] == ["c6"]
    assert client.get("/api/v1/cycles", params={"cursor": "x"}).status_code == 422


def test_one_cycle_has_its_summary_its_stages_and_who_started_it(
    client: TestClient, workspace: Workspace
) -> None:
    add_completed(workspace.store, 1)
    workspace.store.save_launch(Launch(cycle_id="c1", requested_by="ada", flow_run_id="f00"))
    one = client.get("/api/v1/cycles/c1").json()
    assert (one["n_interactions"], one["n_votes"], one["n_pairs"]) == (60, 60, 8)
    assert one["heldout"]["difference"] == 0.1
    assert one["requested_by"] == "ada"
    assert [stage["name"] for stage in one["stages"]] == [str(stage) for stage in Stage]
    assert client.get("/api/v1/cycles/c1/stages").json() == one["stages"]
    assert one["reports"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "c9"), ("GET", "c9/stages"), ("GET", "c9/events"), ("GET", "c9/report/panel"),
        ("POST", "c9/cancel"), ("POST", "c9/resume"), ("GET", "compare?a=c9&b=c9"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, f"/api/v1/cycles/{path}")
    assert answer.status_code == 404, answer.text
    assert "no cycle 'c9'" in answer.json()["detail"]


def test_events_go_on_after_the_last_one_that_was_seen(client: TestClient, workspace: Workspace) -> None:
    add_running(workspace.store, 1)
    first = client.get("/api/v1/cycles/c1/events", params={"limit": 3}).json()
    assert [event["seq"] for event in first["items"]] == [1, 2, 3]
    rest = client.get("/api/v1/cycles/c1/events", params={"after": first["last_seq"]}).json()
    assert [event["payload"]["kind"] for event in rest["items"]] == ["training"]
    end = client.get("/api/v1/cycles/c1/events", params={"after": rest["last_seq"]}).json()
    assert end == {"items": [], "last_seq": 4}


def test_two_cycles_are_compared(client: TestClient, workspace: Workspace) -> None:
    add_completed(workspace.store, 1)
    add_completed(workspace.store, 2, seed=7)
    both = client.get("/api/v1/cycles/compare", params={"a": "c1", "b": "c2"}).json()
    assert both["config"] == [{"what": "seed", "a": 0, "b": 7}]
    assert {"what": "pairs", "a": 8, "b": 9} in both["counts"]
    assert {"what": "version", "a": 1, "b": 2} in both["heldout"]
    assert {"what": "seconds", "a": 120.0, "b": 120.0} in both["costs"]


def test_a_report_is_shown_without_scripts_and_only_a_cycles_own(
    client: TestClient, workspace: Workspace, tmp_path: Path
) -> None:
    add_completed(workspace.store, 1)
    folder = workspace.settings.cycle_dir("c1")
    folder.mkdir(parents=True)
    assert client.get("/api/v1/cycles/c1/report/panel").status_code == 404
    (folder / "panel.html").write_text("<h1>panel</h1><script>alert(1)</script>")
    answer = client.get("/api/v1/cycles/c1/report/panel")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "panel" in answer.text
    assert client.get("/api/v1/cycles/c1").json()["reports"] == ["panel"]

    secret = tmp_path / "secret.html"
    secret.write_text("secret")
    (folder / "validation.html").symlink_to(secret)
    assert client.get("/api/v1/cycles/c1/report/validation").status_code == 404
    for path in ("c1/report/pairs", "c1/report/..%2fpanel", "..%2fc1/report/panel"):
        assert client.get(f"/api/v1/cycles/{path}").status_code in (404, 422)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"config": "cycle.yaml", "overrides": {"goals.m": 3}}, 'overrides["goals.m"]: unknown key'),
        ({"config": "../pyproject.toml"}, "there is no config"),
        ({"config": "cycle.yaml", "overrides": {"agents.agents": []}}, "agents"),
        ({"config": "cycle.yaml", "overrides": {"evaluation.callable": "os:system"}}, "names code, files"),
        ({"overrides": {"training.batch_size": 7}}, 'with overrides["training.batch_size"]: training'),
    ],
)
def test_a_wrong_start_says_what_is_wrong_and_leaves_nothing(
    client: TestClient, workspace: Workspace, body: dict[str, object], said: str
) -> None:
    answer = client.post("/api/v1/cycles", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert "--set" not in answer.json()["detail"], "a program gave no option"
    assert workspace.store.cycles() == []


def test_only_one_cycle_is_started_at_a_time(client: TestClient, workspace: Workspace) -> None:
    add_running(workspace.store, 1)
    answer = client.post("/api/v1/cycles", json={})
    assert answer.status_code == 409
    assert "cycle c1 is running" in answer.json()["detail"]
    again = client.post("/api/v1/cycles/c1/resume")
    assert again.status_code == 409
    assert client.get("/api/v1/cycles/configs").json() == ["cycle.yaml"]


def test_a_cycle_that_has_ended_is_not_cancelled_and_goes_on_only_from_a_stage(
    client: TestClient, workspace: Workspace
) -> None:
    add_completed(workspace.store, 1)
    assert client.post("/api/v1/cycles/c1/cancel").status_code == 409
    answer = client.post("/api/v1/cycles/c1/resume", json={})
    assert answer.status_code == 409
    assert "name the stage" in answer.json()["detail"]
    assert client.post("/api/v1/cycles/c1/resume", json={"from_stage": "no-such"}).status_code == 422


def test_a_start_is_answered_with_its_address_and_kept_in_the_audit_trail(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from camelx.orchestration import control

    class Never:
        pid = 0x3FFFFF

    monkeypatch.setattr(control, "start_detached", lambda *args: Never())
    answer = client.post(
        "/api/v1/cycles", json={"overrides": {"goals.n": 20}}, headers={"X-Trace-ID": "mine-7"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/api/v1/cycles/c1"
    assert (answer.json()["status"], answer.json()["trace_id"]) == ("queued", "mine-7")
    assert workspace.store.cycle("c1").config["goals"]["n"] == 20
    (entry,) = [one for one in workspace.access.trail() if one.action == "cycle.start"]
    assert (entry.subject, entry.details["overrides"]) == ("c1", {"goals.n": 20})
    # Its process is gone, which is noticed as soon as somebody wants to stop it.
    assert client.post("/api/v1/cycles/c1/cancel").status_code == 409
    assert workspace.store.cycle("c1").status is CycleStatus.FAILED
