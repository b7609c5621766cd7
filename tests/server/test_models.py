"""/api/v1/models on a real registry with two small versions."""

from __future__ import annotations

import shutil
import threading

import pytest
from fastapi.testclient import TestClient
from two_versions import EVIL, NAME, with_two_versions

from camelx.config import Settings
from camelx.server import create_app
from camelx.workspace import Workspace

URL = "/api/v1/models"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with two versions, made once: MLflow takes seconds."""
    root = tmp_path_factory.mktemp("made") / "root"
    root.mkdir()
    return with_two_versions(root)


@pytest.fixture
def workspace(made):
    kept = made.mlruns_dir / "mlflow.db"
    before = kept.read_bytes()
    with Workspace.open(made) as opened:
        yield opened
    kept.write_bytes(before)


@pytest.fixture
def client(workspace):
    with TestClient(create_app(workspace, pages=False), base_url="http://localhost") as asked:
        yield asked


def test_versions_come_newest_first_with_what_the_gate_said(client):
    models = client.get(URL).json()
    assert (models["name"], models["champion"], models["before_champion"]) == (NAME, 1, None)
    newest, oldest = models["versions"]
    assert (newest["label"], newest["is_challenger"], newest["parent_version"]) == ("tiny/2", True, 1)
    assert (newest["passed_gate"], newest["reasons"]) == (False, ["difference +2.00 is enough"])
    assert (oldest["is_champion"], oldest["heldout"]["difference"]) == (True, 0.1)
    assert client.get(f"{URL}/2").json() == newest
    assert "path" not in newest


def test_curves_card_and_lineage_down_to_the_pair(client):
    curves = client.get(f"{URL}/2/curves").json()
    assert set(curves) == {"loss", "rewards/margins"}
    assert curves["loss"][0] == {"step": 1, "value": 1.0}
    assert len(curves["loss"]) == 5
    assert EVIL in client.get(f"{URL}/2/card").json()["markdown"]
    lineage = client.get(f"{URL}/2/lineage").json()
    assert (lineage["ancestors"], lineage["n_pairs"], lineage["pairs_note"]) == (["tiny/1"], 1, None)
    assert (lineage["pairs"][0]["id"][:5], lineage["pairs"][0]["n_votes"]) == ("pair2", 1)
    assert client.get(f"{URL}/2/lineage", params={"offset": 1}).json()["pairs"] == []
    assert len(client.get(f"{URL}/1/lineage").json()["promoted_at"]) == 1


def test_two_versions_differ_in_metrics_and_config(client):
    both = client.get(f"{URL}/compare", params={"a": 1, "b": 2}).json()
    assert both["config"] == [{"what": "training.beta", "a": 0.1, "b": 0.2}]
    difference = next(row for row in both["metrics"] if row["what"] == "heldout_difference")
    assert (difference["a"], difference["b"]) == (0.1, 0.2)


def test_a_version_is_promoted_and_rolled_back_and_the_trail_says_who(client, workspace):
    promoted = client.post(f"{URL}/2/promote", json={"instead_of": 1})
    assert (promoted.status_code, promoted.json()["is_champion"]) == (200, True)
    assert client.get(URL).json()["before_champion"] == 1
    late = client.post(f"{URL}/1/promote", json={"instead_of": 1})
    assert late.status_code == 409
    assert "tiny/2 is the champion by now" in late.json()["detail"]
    assert client.post(f"{URL}/rollback").json()["version"] == 1
    nothing = client.post(f"{URL}/rollback")
    assert (nothing.status_code, "no champion before" in nothing.json()["detail"]) == (409, True)
    trail = [(entry.actor, entry.action, entry.subject) for entry in workspace.store.audit_entries(limit=2)]
    assert sorted(trail) == [("local", "model.promote", "tiny/2"), ("local", "model.rollback", "tiny/1")]


def test_of_operators_who_promote_at_once_on_the_same_ground_one_wins(workspace):
    answers, barrier = [], threading.Barrier(4)
    app = create_app(workspace, pages=False)

    def promote():
        with TestClient(app, base_url="http://localhost") as client:
            barrier.wait()
            answers.append(client.post(f"{URL}/2/promote", json={"instead_of": 1}).status_code)

    threads = [threading.Thread(target=promote) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409]
    assert [v.version for v in workspace.versions.registered() if v.is_champion] == [2]
    assert workspace.versions.before_champion() == 1


def test_the_base_and_a_version_answer_a_goal_side_by_side_and_again_the_same(client):
    question = {"goal": "How much is 2 + 2?", "a": "base", "b": "2"}
    first = client.post(f"{URL}/answers", json=question)
    assert first.status_code == 200, first.text
    base, version = first.json()
    assert (base["label"], version["label"]) == ("base", "tiny/2")
    assert base["text"] != version["text"]
    assert [a["completion_tokens"] <= 20 for a in first.json()] == [True, True]
    again = client.post(f"{URL}/answers", json=question | {"b": int(question["b"])}).json()
    assert [a["text"] for a in again] == [base["text"], version["text"]]


def test_a_question_that_takes_too_long_ends_with_a_clear_error(client, workspace, monkeypatch):
    monkeypatch.setattr(workspace.versions._answering, "_time_limit_s", 0.0)
    late = client.post(f"{URL}/answers", json={"goal": "g", "a": "1", "b": "2"})
    assert (late.status_code, "no answer within" in late.json()["detail"]) == (502, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("get", "/7", None, 404),
        ("get", "/7/curves", None, 404),
        ("get", "/7/card", None, 404),
        ("get", "/7/lineage", None, 404),
        ("post", "/7/promote", None, 404),
        ("get", "/compare?a=1&b=7", None, 404),
        ("get", "/0", None, 422),
        ("get", "?name=it's", None, 422),
        ("post", "/answers", {"goal": "g", "a": "../x", "b": "1"}, 422),
        ("post", "/answers", {"goal": " ", "a": "1", "b": "1"}, 422),
        ("post", "/answers", {"goal": "g", "a": "7", "b": "1"}, 404),
    ],
)
def test_what_is_not_there_or_wrong_is_a_problem(client, method, path, body, status):
    answer = client.request(method, URL + path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_where_nothing_is_registered_the_list_is_empty(tmp_path):
    with Workspace.open(Settings(root=tmp_path, project=tmp_path)) as opened:
        models = TestClient(create_app(opened, pages=False), base_url="http://localhost").get(URL).json()
    assert (models["names"], models["versions"], models["champion"]) == (["camelx-policy"], [], None)


def test_a_registry_that_cant_be_reached_is_a_503_that_says_so(tmp_path):
    settings = Settings(root=tmp_path, project=tmp_path, mlflow_uri="http://u:secret@127.0.0.1:9")
    with Workspace.open(settings) as opened:
        client = TestClient(create_app(opened, pages=False), base_url="http://localhost")
        for answer in (client.get(URL), client.get(f"{URL}/1"), client.post(f"{URL}/1/promote")):
            assert (answer.status_code, "does not answer" in answer.json()["detail"]) == (503, True)
            assert "secret" not in answer.text


def test_a_pairs_file_that_is_gone_is_said_to_be(client, made, tmp_path):
    pairs = made.cycle_dir("c2") / "pairs.parquet"
    shutil.move(pairs, tmp_path / "kept")
    try:
        lineage = client.get(f"{URL}/2/lineage").json()
    finally:
        shutil.move(tmp_path / "kept", pairs)
    assert (lineage["n_pairs"], "not on this machine" in lineage["pairs_note"]) == (0, True)
