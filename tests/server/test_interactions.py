"""/api/v1/interactions as a program meets it."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from threaded_goal import GOAL, HOSTILE, add_threaded_goal

from camelx.schemas import Interaction, Role, Stage
from camelx.workspace import Workspace

PATH = "/api/v1/interactions"


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """With a cycle c1 of one goal."""
    add_threaded_goal()
    return workspace


def test_the_log_is_read_page_by_page_and_back(client: TestClient) -> None:
    first = client.get(PATH, params={"limit": 5, "count": True}).json()
    assert (len(first["items"]), first["total"], first["previous_cursor"]) == (5, 8, None)
    second = client.get(PATH, params={"limit": 5, "cursor": first["next_cursor"]}).json()
    assert (len(second["items"]), second["next_cursor"], second["total"]) == (3, None, None)
    back = client.get(PATH, params={"limit": 5, "cursor": second["previous_cursor"]}).json()
    assert back["items"] == first["items"]
    assert {one["id"] for page in (first, second) for one in page["items"]} == {
        "p1", "p2", "e1", "e2", "e3", "e4", "e5", "turn"}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"role": "proposer"}, {"p1", "p2"}),
        ({"agent": "reviewer-1"}, {"turn"}),
        ({"stage": "mutual-rank", "status": "ok"}, {"turn"}),
        ({"text": "it is 5"}, {"e2", "e4"}),
        ({"text": '"2 make 4"', "role": "executor"}, {"e1"}),
        ({"cycle_id": "c9"}, set()),
        ({"goal_id": GOAL.id, "model": "m", "text": "perhaps"}, {"e3"}),
        ({"until": "2020-01-01T00:00:00Z"}, set()),
    ],
)
def test_filters_narrow_the_log(client: TestClient, asked: dict[str, str], found: set[str]) -> None:
    answer = client.get(PATH, params=asked)
    assert answer.status_code == 200, answer.text
    assert {one["id"] for one in answer.json()["items"]} == found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cursor": "nonsense"}, "begin again without a cursor"),
        ({"text": "!?"}, "no word or number"),
        ({"role": "boss"}, "query.role"),
        ({"since": "2026-01-01T00:00:00"}, "query.since"),
        ({"limit": "0"}, "query.limit"),
        ({"rolle": "proposer"}, "query.rolle"),
    ],
)
def test_what_can_not_be_asked_for_is_said(client: TestClient, asked: dict[str, str], said: str) -> None:
    answer = client.get(PATH, params=asked)
    assert answer.status_code == 422
    assert said in answer.text
    assert client.get(f"{PATH}/export", params=asked).status_code == 422


def test_one_interaction_is_whole(client: TestClient) -> None:
    one = client.get(f"{PATH}/e1").json()
    assert (one["completion"], one["parent_id"]) == ("2 and 2 make 4", "p1")
    assert one["messages"][0]["role"] == "user"
    missing = client.get(f"{PATH}/e99")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_facets_name_what_occurs(client: TestClient) -> None:
    facets = client.get(f"{PATH}/facets").json()
    assert facets["cycles"] == ["c1"]
    assert facets["roles"] == ["proposer", "executor", "peer_reviewer"]
    assert facets["statuses"] == ["ok"]


def test_every_format_holds_what_is_filtered(client: TestClient, workspace: Workspace) -> None:
    expected = workspace.store.interactions_by_id(["e1", "e2", "e3", "e4", "e5"])
    asked = {"role": "executor"}
    lines = client.get(f"{PATH}/export", params=asked).text.splitlines()
    assert {one.id: one for one in map(Interaction.model_validate_json, lines)} == expected
    answer = client.get(f"{PATH}/export", params=asked | {"format": "csv"})
    assert "interactions.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["id"]: row["completion"] for row in rows} == {
        i: one.completion for i, one in expected.items()
    }
    content = client.get(f"{PATH}/export", params=asked | {"format": "parquet"}).content
    table = pq.read_table(io.BytesIO(content)).to_pylist()
    assert {row["id"]: row["created_at"] for row in table} == {i: o.created_at for i, o in expected.items()}
    assert json.loads(table[0]["messages"])[0]["role"] == "user"


def test_a_csv_runs_no_formula_and_a_broken_text_breaks_no_file(
    client: TestClient, workspace: Workspace
) -> None:
    bad = {"formula": "=HYPERLINK(1)", "plus": "+1", "at": "@x", "hostile": HOSTILE, "lines": 'a"b\n,c'}
    like = workspace.store.interactions_by_id(["e1"])["e1"]
    rows = [like.model_copy(update={"id": i, "completion": text, "agent": "odd"}) for i, text in bad.items()]
    workspace.store.save_interactions(rows)
    text = client.get(f"{PATH}/export", params={"agent": "odd", "format": "csv"}).text
    found = {row["id"]: row["completion"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert found == bad | {i: f"'{bad[i]}" for i in ("formula", "plus", "at")}


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_an_export_of_nothing_is_a_whole_file(client: TestClient, format: str) -> None:
    answer = client.get(f"{PATH}/export", params={"agent": "nobody", "format": format})
    assert answer.status_code == 200
    if format == "parquet":
        assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0


def test_an_export_goes_on_beyond_what_is_read_at_once(client: TestClient, workspace: Workspace) -> None:
    like = workspace.store.interactions_by_id(["e1"])["e1"]
    many = [
        like.model_copy(
            update={"id": f"n{i}", "agent": "many", "role": Role.EXECUTOR, "stage": Stage.EVALUATE}
        )
        for i in range(1_203)
    ]
    workspace.store.save_interactions(many)
    for format, count in (("jsonl", 1_203), ("csv", 1_204)):
        answer = client.get(f"{PATH}/export", params={"agent": "many", "format": format})
        assert len(answer.text.splitlines()) == count
