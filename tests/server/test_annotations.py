"""/api/v1/annotations: next item, verdicts that count once, own ones changed and taken back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from pairs_to_judge import add_pairs_to_judge

from camelx.config import Settings
from camelx.schemas import AccessRole, Principal
from camelx.server import create_app
from camelx.workspace import Workspace

URL = "/api/v1/annotations"
ROOT = Principal(name="root", role=AccessRole.ADMIN, via="cli")
As = Callable[[str], TestClient]


@pytest.fixture
def workspace(database: str, tmp_path) -> Iterator[Workspace]:
    settings = Settings(
        _env_file=None,
        root=tmp_path,
        database_url=database,
        sign_in="on",
        annotation_repeat_share=0,
        annotation_overlap_share=0,
    )
    with Workspace.open(settings) as opened:
        add_pairs_to_judge(opened.store)
        yield opened


@pytest.fixture
def acting(workspace: Workspace) -> Iterator[As]:
    """Gives a client that is signed in as somebody: vera views, root is an admin, all others annotate."""
    app = create_app(workspace, pages=False)
    clients: dict[str, TestClient] = {}

    def acting_as(name: str) -> TestClient:
        if name not in clients:
            role = {"vera": AccessRole.VIEWER, "root": AccessRole.ADMIN}.get(name, AccessRole.ANNOTATOR)
            user = workspace.access.add_user(name, role, "a long password", by=ROOT)
            token, _ = workspace.access.jwt_of(user)
            clients[name] = TestClient(app, headers={"Authorization": f"Bearer {token}"})
        return clients[name]

    yield acting_as
    for client in clients.values():
        client.close()


def take(client: TestClient, **query: str) -> dict:
    response = client.get(f"{URL}/next", params=query)
    assert response.status_code == 200, response.text
    return response.json()["item"]


def verdict_on(item: dict, verdict: str = "first", **said: object) -> dict:
    kept = {name: item[name] for name in ("first_id", "second_id", "repeat", "submission_id")}
    return kept | {"verdict": verdict} | said


def give(client: TestClient, item: dict, verdict: str = "first", **said: object) -> dict:
    response = client.post(URL, json=verdict_on(item, verdict, **said))
    assert response.status_code == 201, response.text
    return response.json()


def test_a_pair_is_taken_judged_and_read(acting: As) -> None:
    ann = acting("ann")
    item = take(ann)
    assert "author" not in str(item)
    saved = give(ann, item, "second", rating=4, rationale="why", duration_s=2.5)
    (annotation,) = saved["annotations"]
    assert saved["is_new"]
    assert acting("vera").get(f"{URL}/{annotation['id']}").json() == annotation
    assert (annotation["annotator"], annotation["rating"]) == ("ann", 4)
    assert take(ann)["submission_id"] != item["submission_id"]


def test_two_people_get_two_items_and_a_reload_gets_the_same(acting: As) -> None:
    ann, bob = take(acting("ann")), take(acting("bob"))
    assert ann["first_id"] != bob["first_id"] or ann["second_id"] != bob["second_id"]
    again = acting("ann").post(f"{URL}/next").json()["item"]
    assert {**again, "expires_at": 0} == {**ann, "expires_at": 0}


def test_a_retry_counts_once(acting: As) -> None:
    ann = acting("ann")
    item = take(ann)
    first = give(ann, item)
    again = give(ann, item, "tie")
    assert not again["is_new"]
    assert again["annotations"] == first["annotations"]
    assert len(ann.get(URL).json()["annotations"]) == 1


def test_a_retry_after_its_undo_is_refused(acting: As) -> None:
    ann = acting("ann")
    item = take(ann)
    give(ann, item)
    ann.post(f"{URL}/undo")
    late = ann.post(URL, json=verdict_on(item, submission_id=item["submission_id"]))
    assert late.status_code == 409
    assert "taken back or replaced" in late.json()["detail"]
    assert ann.get(URL).json()["annotations"] == []


def test_a_submission_id_that_came_with_another_pair_is_refused_and_no_verdict_lost(acting: As) -> None:
    ann = acting("ann")
    first = take(ann)
    give(ann, first)
    second = take(ann)
    reused = ann.post(URL, json=verdict_on(second, submission_id=first["submission_id"]))
    assert reused.status_code == 409
    assert "before" in reused.json()["detail"]
    assert give(ann, second)["is_new"]


def test_the_list_is_filtered_and_read_page_by_page(acting: As) -> None:
    ann, bob = acting("ann"), acting("bob")
    for _ in range(5):
        give(ann, take(ann))
    give(bob, take(bob))
    pages, cursor = [], None
    while True:
        query = {"annotator": "ann", "limit": 2, "cycle_id": "c1"} | ({"cursor": cursor} if cursor else {})
        page = ann.get(URL, params=query).json()
        pages.append([one["id"] for one in page["annotations"]])
        if (cursor := page["next_cursor"]) is None:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({one for page in pages for one in page}) == 5
    assert len(ann.get(URL).json()["annotations"]) == 6
    assert ann.get(URL, params={"cycle_id": "c9"}).json()["annotations"] == []
    assert len(ann.get(URL, params={"verdict": "first"}).json()["annotations"]) == 6
    assert ann.get(URL, params={"verdict": "tie"}).json()["annotations"] == []
    assert ann.get(URL, params={"until": "2020-01-01T00:00:00Z"}).json()["annotations"] == []
    far = base64.urlsafe_b64encode(b"0001-01-01T00:00:00+23:59 x").decode()
    for cursor in ("nonsense", far):
        assert ann.get(URL, params={"cursor": cursor}).status_code == 422


def test_a_moment_that_utc_has_no_year_for_is_before_or_behind_all_others(acting: As) -> None:
    ann = acting("ann")
    give(ann, take(ann))

    def n_found(**asked: str) -> int:
        response = ann.get(URL, params=asked)
        assert response.status_code == 200, response.text
        return len(response.json()["annotations"])

    first, last = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
    assert (n_found(since=first), n_found(until=first)) == (1, 0)
    assert (n_found(since=last), n_found(until=last)) == (0, 1)


def test_people_change_and_take_back_their_own_and_an_admin_those_of_all(acting: As) -> None:
    ann, bob = acting("ann"), acting("bob")
    (said,) = give(ann, take(ann), rating=3)["annotations"]
    url = f"{URL}/{said['id']}"
    changed = ann.patch(url, json={"verdict": "tie", "rating": None}).json()
    assert (changed["verdict"], changed["rating"], changed["created_at"]) == ("tie", None, said["created_at"])
    assert bob.patch(url, json={"verdict": "first"}).status_code == 403
    assert bob.delete(url).status_code == 403
    assert bob.get(f"{url}/agents").status_code == 403
    assert ann.patch(url, json={}).status_code == 422
    assert acting("root").patch(url, json={"rationale": "settled"}).json()["annotator"] == "ann"
    assert acting("root").delete(url).status_code == 204
    assert ann.get(url).status_code == 404


def test_what_an_admin_settled_they_can_not_change_once_they_are_none(
    acting: As, workspace: Workspace
) -> None:
    item = take(acting("ann"))
    pair = {name: item[name] for name in ("first_id", "second_id")}
    (settled,) = acting("root").put("/api/v1/agreement/settled", json={**pair, "preferred": "tie"}).json()
    workspace.access.add_user("other", AccessRole.ADMIN, "a long password", by=ROOT)
    user = workspace.access.change_user("root", role=AccessRole.ANNOTATOR, by=ROOT)
    headers = {"Authorization": f"Bearer {workspace.access.jwt_of(user)[0]}"}
    url = f"{URL}/{settled['id']}"
    assert acting("root").patch(url, json={"verdict": "first"}, headers=headers).status_code == 403
    assert acting("root").delete(url, headers=headers).status_code == 403
    assert workspace.queue.annotation(settled["id"]).verdict == "tie"


def test_a_viewer_reads_and_judges_nothing(acting: As) -> None:
    vera = acting("vera")
    assert vera.get(URL).status_code == 200
    assert vera.get(f"{URL}/next").status_code == 403
    assert vera.post(URL, json=verdict_on(take(acting("ann")))).status_code == 403
    assert vera.post(f"{URL}/undo").status_code == 403


def test_a_batch_keeps_what_it_can_and_says_what_it_could_not(acting: As) -> None:
    ann, bob = acting("ann"), acting("bob")
    one, other = take(ann), take(bob)
    wrong = verdict_on(one) | {"second_id": "nobody", "submission_id": "s"}
    batch = {"verdicts": [verdict_on(one), wrong, verdict_on(other), verdict_on(one)]}
    found = ann.post(f"{URL}/batch", json=batch).json()
    assert [result["status"] for result in found["results"]] == ["saved", "refused", "saved", "known"]
    assert (found["n_saved"], found["n_refused"]) == (2, 1)
    assert "no pair that can be judged" in found["results"][1]["detail"]


def test_skip_undo_and_reopen(acting: As) -> None:
    ann = acting("ann")
    item = take(ann)
    pair = {"first_id": item["first_id"], "second_id": item["second_id"]}
    assert ann.post(f"{URL}/undo").status_code == 404
    assert ann.post(f"{URL}/skip", json=pair).status_code == 204
    assert take(ann)["first_id"] != item["first_id"] or take(ann)["second_id"] != item["second_id"]
    assert ann.post(f"{URL}/reopen-skipped").json() == {"n_items": 1}
    assert ann.post(f"{URL}/skip", json=pair).status_code == 204
    undone = ann.post(f"{URL}/undo").json()
    assert undone["annotations"] == []
    assert undone["item"]["first"] == item["first"]
    give(ann, undone["item"])
    undone = ann.post(f"{URL}/undo").json()
    assert len(undone["annotations"]) == 1
    assert ann.get(URL).json()["annotations"] == []


def test_progress_and_what_the_agents_said(acting: As) -> None:
    ann = acting("ann")
    for _ in range(4):
        give(ann, take(ann), duration_s=5)
    assert ann.get(f"{URL}/progress").json()["left_s"] is None
    (said,) = give(ann, take(ann), duration_s=50_000)["annotations"]
    give(ann, take(ann), duration_s=5)
    progress = ann.get(f"{URL}/progress").json()
    assert (progress["n_total"], progress["n_open"], progress["left_s"]) == (6, 12, 60)
    agents = ann.get(f"{URL}/{said['id']}/agents").json()
    assert {vote["reviewer"] for vote in agents["votes"]} == {"ada", "ben"}
    assert agents["first_id"] == said["first_id"]


def test_the_item_of_a_pair_is_opened_by_its_ids(acting: As) -> None:
    item = take(acting("ann"))
    pair = {"first_id": item["second_id"], "second_id": item["first_id"]}
    assert acting("bob").get(f"{URL}/item", params=pair).status_code == 409
    assert acting("ann").get(f"{URL}/item", params=pair).json()["item"]["first"] == item["first"]
    assert acting("ann").get(f"{URL}/item", params=pair | {"first_id": "x"}).status_code == 404


def test_who_judged_what_is_on_the_audit_trail(acting: As, workspace: Workspace) -> None:
    ann = acting("ann")
    item = take(ann)
    (said,) = give(ann, item)["annotations"]
    give(ann, item)
    ann.patch(f"{URL}/{said['id']}", json={"rating": 1})
    ann.delete(f"{URL}/{said['id']}")
    trail = [
        (entry.actor, entry.action, entry.subject) for entry in workspace.access.trail(action="annotation")
    ]
    actions = ("annotation.delete", "annotation.update", "annotation.create")
    assert trail == [("ann", action, said["id"]) for action in actions]


@pytest.mark.parametrize(
    "wrong", [{"rating": 6}, {"verdict": "A"}, {"first_id": ""}, {"duration_s": -1}, {"more": 1}]
)
def test_wrong_input_is_named(acting: As, wrong: dict) -> None:
    response = acting("ann").post(URL, json=verdict_on(take(acting("ann"))) | wrong)
    assert response.status_code == 422
    assert next(iter(wrong)) in response.json()["detail"]


@pytest.mark.parametrize(
    ("request_", "where", "said"),
    [
        ({"json": {"verdict": "A"}}, "body.verdict", "'both_bad', got 'A'"),
        ({"json": {"rating": 6}}, "body.rating", "got 6"),
        (
            {"content": b'{"verdict": ', "headers": {"Content-Type": "application/json"}},
            "body",
            "not JSON: Expecting value, at character 12",
        ),
        (
            {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
            "body",
            "Content-Type: application/json",
        ),
    ],
)
def test_wrong_input_is_said_once_with_what_was_expected_and_got(
    acting: As, request_: dict, where: str, said: str
) -> None:
    problems = acting("ann").post(URL, **request_).json()["errors"]
    (what,) = [problem["what"] for problem in problems if problem["where"] == where]
    assert said in what


@pytest.mark.parametrize("secret", ["hunter2" * 1000, 8675309001, 8675309001.5])
@pytest.mark.parametrize(
    ("path", "field"), [(URL, "first_id"), (URL, "more"), ("/api/v1/auth/token", "password")]
)
def test_what_could_be_a_secret_is_not_said_back(acting: As, secret: object, path: str, field: str) -> None:
    answer = acting("ann").post(path, json={"name": "ann", field: secret})
    assert answer.status_code == 422
    assert str(secret)[:7] not in answer.text


def test_without_a_cycle_it_says_what_to_do(acting: As, workspace: Workspace) -> None:
    workspace.store.replace_rankings("c1", [], [])
    response = acting("ann").get(f"{URL}/next")
    assert response.status_code == 409
    assert "camelx cycle" in response.json()["detail"]
