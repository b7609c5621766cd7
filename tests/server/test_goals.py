"""/api/v1/goals as a program meets it."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from threaded_goal import GOAL, PAIR_ID, add_threaded_goal

from camelx.schemas import Goal
from camelx.workspace import Workspace

PATH = "/api/v1/goals"
CSV = "q,a\nWhat is 1 + 2?,3\nWhat is 2 + 2?,4\nWhat is 1 + 2?,3\n,5\nWhat is 3 + 3?,six\n"
FIELDS = ["text=q", "answer=a"]


def sent(client: TestClient, content: str | bytes, name: str = "sums.csv", **asked: object):
    return client.post(f"{PATH}/import", params=asked, files={"file": (name, content)})


def test_goals_are_listed_by_page_and_by_what_they_say(client: TestClient, workspace: Workspace) -> None:
    goals = sorted((Goal.new(f"Goal {i}") for i in range(5)), key=lambda goal: goal.id)
    workspace.store.add_goals(goals)
    first = client.get(PATH, params={"limit": 3}).json()
    second = client.get(PATH, params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in first["items"] + second["items"]] == [goal.id for goal in goals]
    assert second["next_cursor"] is None
    assert [one["text"] for one in client.get(PATH, params={"text": "goal 3"}).json()["items"]] == ["Goal 3"]
    assert client.get(PATH, params={"cursor": "x"}).status_code == 422
    assert client.get(f"{PATH}/{goals[0].id}").json()["text"] == goals[0].text
    assert client.get(f"{PATH}/none").status_code == 404


def test_a_dry_run_says_what_an_import_then_does(client: TestClient, workspace: Workspace) -> None:
    dry = sent(client, CSV, field=FIELDS, verifier="numeric").json()
    assert workspace.store.goals() == []
    assert dry["is_dry_run"] is True
    assert dry["counts"]["rows"] == 5
    assert (dry["counts"]["new"], dry["counts"]["broken"], dry["counts"]["duplicates"]) == (2, 2, 1)
    assert [row["where"] for row in dry["broken"]] == ["sums.csv:5", "sums.csv:6"]
    assert dry["duplicates"] == [{"where": "sums.csv:4", "what": "the same goal as sums.csv:2"}]
    done = sent(client, CSV, field=FIELDS, verifier="numeric", dry_run=False).json()
    assert done == dry | {"is_dry_run": False}
    assert {goal.answer for goal in workspace.store.goals(source="sums.csv")} == {"3", "4"}
    again = sent(client, CSV, field=FIELDS, verifier="numeric", dry_run=False).json()
    assert (again["counts"]["new"], again["counts"]["known"]) == (0, 2)
    (entry,) = [e for e in workspace.store.audit_entries() if e.action == "goal.import"][:1]
    assert entry.subject == "sums.csv"


def test_another_answer_than_the_stored_one_is_said_and_taken_on_request(
    client: TestClient, workspace: Workspace
) -> None:
    workspace.store.add_goals([Goal.new("What is 1 + 2?", answer="12")])
    asked = {"field": FIELDS, "verifier": "numeric"}
    (remark,) = sent(client, CSV, **asked).json()["remarks"]
    assert remark.startswith("sums.csv:2: stored with the answer '12', the file has '3'")
    assert sent(client, CSV, **asked, update=True).json()["counts"]["updated"] == 1
    assert workspace.store.goals()[0].answer == "12"
    sent(client, CSV, **asked, update=True, dry_run=False)
    assert "3" in {goal.answer for goal in workspace.store.goals(ids=[Goal.new("What is 1 + 2?").id])}


@pytest.mark.parametrize(
    ("name", "content", "asked", "said"),
    [
        ("goals.exe", "x", {}, "'goals.exe': expected a file that ends in .jsonl"),
        ("../../etc/passwd", "x", {}, "'passwd': expected a file"),
        ("goals.csv", "q,a\n1,2\n", {}, "goals.csv: its columns are q, a"),
        ("goals.jsonl", "", {}, "goals.jsonl: none of its 0 rows"),
        ("goals.jsonl", "{", {}, "goals.jsonl:1: not JSON"),
        (
            "goals.csv",
            CSV,
            {"field": FIELDS, "verifier": "numeric", "strict": True},
            "2 of 5 rows are broken",
        ),
        ("goals.csv", CSV, {"field": ["text"]}, "expected GOAL_FIELD=COLUMN"),
        ("goals.csv", CSV, {"preset": "nosuch"}, "there is no preset 'nosuch'"),
        ("goals.parquet", "PAR1", {}, "goals.parquet"),
    ],
)
def test_a_file_that_can_not_be_taken_is_explained_by_its_own_name(
    client: TestClient, workspace: Workspace, name: str, content: str, asked: dict[str, object], said: str
) -> None:
    answer = sent(client, content, name, **asked, dry_run=False)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert "/tmp" not in answer.text
    assert "camelx-goals-" not in answer.text
    assert workspace.store.goals() == []


def test_parquet_and_jsonl_come_in(client: TestClient, workspace: Workspace) -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"text": ["Goal a"], "level": [2]}), written)
    sent(client, written.getvalue(), "g.parquet", dry_run=False)
    sent(client, '{"text": "Goal b"}\n', "g.jsonl", dry_run=False, split="heldout")
    assert {(goal.text, goal.level, goal.split) for goal in workspace.store.goals()} == {
        ("Goal a", 2, "train"), ("Goal b", None, "heldout")}  # fmt: skip


def test_a_thread_is_the_tree_of_what_a_cycle_did_with_a_goal(client: TestClient) -> None:
    add_threaded_goal()
    thread = client.get(f"{PATH}/{GOAL.id}/thread", params={"cycle_id": "c1"}).json()
    tree = {
        one["interaction"]["id"]: [e["interaction"]["id"] for e in one["executions"]]
        for one in thread["proposals"]
    }
    assert {i: set(below) for i, below in tree.items()} == {"p1": {"e1", "e2", "e3", "e4"}, "p2": {"e5"}}
    below = {e["interaction"]["id"]: e for one in thread["proposals"] for e in one["executions"]}
    votes = below["e1"]["votes"]
    assert [(v["vote"]["judge"], v["winner"], v["vote"]["error"]) for v in votes] == [
        ("reviewer-1", "author-of-e1", None), ("reviewer-2", None, "no verdict line")]  # fmt: skip
    assert below["e3"]["votes"] == []
    assert [pair["id"] for pair in thread["pairs"]] == [PAIR_ID]
    assert [a["annotator"] for a in thread["annotations"]] == ["ann"]
    assert thread["comparisons"][0]["probability"] == 0.9
    for asked in ({"cycle_id": "c9"}, {"cycle_id": "../c1"}, {}):
        assert client.get(f"{PATH}/{GOAL.id}/thread", params=asked).status_code in (404, 422)
    assert client.get(f"{PATH}/none/thread", params={"cycle_id": "c1"}).status_code == 404
