"""/api/v1/pairs as a program meets it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from threaded_goal import GOAL, PAIR_ID, add_threaded_goal

from camelx import export
from camelx.schemas import Role, stable_id
from camelx.workspace import Workspace

PATH = "/api/v1/pairs"


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """With a cycle c1 of one goal."""
    add_threaded_goal()
    return workspace


def with_pairs(workspace: Workspace, n: int) -> list[str]:
    (pair,) = export.stored_pairs(workspace.settings.cycle_dir("c1"))
    more = [
        pair.model_copy(update={"id": stable_id(i), "role": Role.PROPOSER if i % 2 else Role.EXECUTOR})
        for i in range(n)
    ]
    export.write_pairs([pair, *more], workspace.settings.cycle_dir("c1"))
    return [pair.id, *(one.id for one in more)]


def test_the_pairs_of_a_cycle_are_read_page_by_page(client: TestClient, workspace: Workspace) -> None:
    expected = with_pairs(workspace, 10)
    found, cursor = [], None
    while True:
        asked = {"cycle_id": "c1", "limit": 4} | ({"cursor": cursor} if cursor else {})
        page = client.get(PATH, params=asked).json()
        found += [pair["id"] for pair in page["items"]]
        assert page["total"] == 11
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == expected
    proposers = client.get(PATH, params={"cycle_id": "c1", "role": "proposer"}).json()
    assert proposers["total"] == 5
    assert client.get(PATH, params={"cycle_id": "c1", "goal_id": "other"}).json()["items"] == []


def test_a_cursor_that_names_no_pair_any_more_is_said(client: TestClient, workspace: Workspace) -> None:
    with_pairs(workspace, 10)
    page = client.get(PATH, params={"cycle_id": "c1", "limit": 4}).json()
    export.write_pairs([], workspace.settings.cycle_dir("c1"))
    gone = client.get(PATH, params={"cycle_id": "c1", "limit": 4, "cursor": page["next_cursor"]})
    assert (gone.status_code, "exported anew" in gone.text) == (404, True)
    other = client.get(PATH, params={"cycle_id": "c1", "role": "executor", "cursor": page["next_cursor"]})
    assert other.status_code == 422


def test_one_pair_comes_with_all_that_led_to_it(client: TestClient) -> None:
    one = client.get(f"{PATH}/{PAIR_ID}", params={"cycle_id": "c1"}).json()
    assert one["goal"]["id"] == GOAL.id
    assert (one["chosen"]["interaction_id"], one["probability"]) == ("e1", 0.9)
    assert [(vote["judge"], vote["reply"], vote["is_counted"]) for vote in one["votes"]] == [
        ("reviewer-1", "Verdict: A", True), ("reviewer-2", None, False)]  # fmt: skip
    assert [said["state"] for said in one["annotations"]] == ["new since"]


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("", {"cycle_id": "c9"}, 404), ("", {}, 422), ("", {"cycle_id": "../c1"}, 422),
        (f"/{PAIR_ID}", {"cycle_id": "c9"}, 404), ("/0123456789abcdef01234567", {"cycle_id": "c1"}, 404),
        ("/..", {"cycle_id": "c1"}, 404), ("/zz", {"cycle_id": "c1"}, 422),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(
    client: TestClient, path: str, asked: dict[str, str], status: int
) -> None:
    answer = client.get(PATH + path, params=asked)
    assert answer.status_code == status or (path == "/.." and answer.status_code in (404, 405, 422))
