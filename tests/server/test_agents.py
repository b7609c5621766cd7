"""/api/v1/agents: a text is saved under the version it is based on, by whoever may."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from camelx.access import LOCAL
from camelx.config import Settings
from camelx.schemas import AccessRole
from camelx.server import create_app
from camelx.workspace import Workspace

URL = "/api/v1/agents"
SHIPPED = (Path(__file__).parents[2] / "configs" / "agents.yaml").read_text("utf-8")
MORE = SHIPPED.replace("count: 2  ", "count: 3  ")


@pytest.fixture
def workspace(tmp_path, database, request):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "agents.yaml").write_text(SHIPPED)
    sign_in = getattr(request, "param", "off")
    with Workspace.open(
        Settings(root=tmp_path, project=tmp_path, sign_in=sign_in, database_url=database)
    ) as opened:
        yield opened


@pytest.fixture
def client(workspace):
    with TestClient(create_app(workspace, pages=False), base_url="http://localhost") as asked:
        yield asked


def put(client, text, etag, **more):
    return client.put(URL, json={"text": text, **more}, headers={"If-Match": f'"{etag}"'} if etag else {})


def test_the_file_comes_with_its_etag_and_what_it_declares(client):
    answer = client.get(URL)
    state = answer.json()
    assert answer.headers["etag"] == f'"{state["etag"]}"'
    assert (state["text"], state["mistakes"], state["version"]["number"]) == (SHIPPED, [], 1)
    assert [agent["name"] for agent in state["parsed"]["agents"]] == ["proposer", "executor", "reviewer"]
    assert client.get(f"{URL}/text").text == SHIPPED
    assert client.get(f"{URL}/files").json() == ["agents.yaml"]


def test_a_text_is_saved_with_its_note_and_the_trail_says_who(client, workspace, tmp_path):
    saved = put(client, MORE, client.get(URL).json()["etag"], note="more plans")
    assert saved.status_code == 200
    assert (tmp_path / "configs" / "agents.yaml").read_text() == MORE
    newest, oldest = client.get(f"{URL}/versions").json()
    assert (newest["author"], newest["note"], newest["origin"]) == ("local", "more plans", "saved")
    assert "-    count: 2" in client.get(f"{URL}/versions/{oldest['number']}").json()["diff"]
    (entry,) = workspace.store.audit_entries(limit=1)
    assert (entry.action, entry.subject, entry.details["note"]) == (
        "agents.save",
        "agents.yaml",
        "more plans",
    )


def test_without_if_match_nothing_is_written(client, tmp_path):
    assert put(client, MORE, None).status_code == 428
    assert client.post(f"{URL}/versions/1/restore").status_code == 428
    assert (tmp_path / "configs" / "agents.yaml").read_text() == SHIPPED


def test_an_edit_on_old_ground_is_a_412_that_holds_both_texts(client):
    etag = client.get(URL).json()["etag"]
    put(client, MORE, etag)
    mine = SHIPPED.replace("samples: 2", "samples: 4")
    late = put(client, mine, etag)
    assert (late.status_code, late.headers["content-type"]) == (412, "application/problem+json")
    problem = late.json()
    assert problem["current"] == MORE
    assert "+    samples: 4" in problem["diff"]
    assert put(client, mine, problem["etag"]).status_code == 200


def test_of_people_who_save_at_once_one_wins_and_the_others_get_the_text_that_did(workspace):
    app, barrier, answers = create_app(workspace, pages=False), threading.Barrier(4), {}
    etag = workspace.agent_files.read().etag
    texts = [SHIPPED.replace("count: 2  ", f"count: {3 + i}  ") for i in range(4)]

    def save(text):
        with TestClient(app, base_url="http://localhost") as client:
            barrier.wait()
            answers[text] = put(client, text, etag)

    threads = [threading.Thread(target=save, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers.values()) == [200, 412, 412, 412]
    won = next(text for text, answer in answers.items() if answer.status_code == 200)
    assert {a.json()["current"] for a in answers.values() if a.status_code == 412} == {won}


def test_mistakes_are_listed_and_such_a_text_is_not_saved(client):
    wrong = SHIPPED.replace("backend: policy", "backend: polcy", 1)
    checked = client.post(f"{URL}/validate", json={"text": wrong}).json()
    assert [(m["line"], m["key"]) for m in checked["mistakes"]] == [(21, "agents.0.backend")]
    assert "+    backend: polcy" in checked["diff"]
    refused = put(client, wrong, client.get(URL).json()["etag"])
    assert (refused.status_code, "agents.yaml:21" in refused.json()["detail"]) == (422, True)


def test_a_key_is_refused_and_not_repeated(client):
    text = SHIPPED.replace("    max_batch: 128", "    api_key: sk-abcdefghijklmnopqrst\n    max_batch: 128")
    for answer in (
        put(client, text, client.get(URL).json()["etag"]),
        client.post(f"{URL}/validate", json={"text": text}),
    ):
        assert "sk-abc" not in answer.text
        assert "environment variable" in answer.text


def test_a_version_is_restored(client, tmp_path):
    first = client.get(URL).json()["etag"]
    second = put(client, MORE, first).json()["etag"]
    assert client.post(f"{URL}/versions/1/restore", headers={"If-Match": first}).status_code == 412
    restored = client.post(f"{URL}/versions/1/restore", headers={"If-Match": f'"{second}"'}).json()
    assert (restored["version"]["number"], restored["version"]["origin"]) == (3, "restored")
    assert (tmp_path / "configs" / "agents.yaml").read_text() == SHIPPED


@pytest.mark.parametrize(
    "file", ["../agents.yaml", "cycle.yaml", "/etc/passwd", "%2e%2e/x.yaml", ".env", "a\0.yaml"]
)
def test_no_name_of_a_request_leaves_the_folder(client, tmp_path, file):
    (tmp_path / "agents.yaml").write_text(SHIPPED)
    for path in ("", "/text", "/versions", "/versions/1"):
        assert client.get(URL + path, params={"file": file}).status_code == 404
    answer = client.put(URL, params={"file": file}, json={"text": MORE}, headers={"If-Match": '"0-none"'})
    assert answer.status_code == 404


@pytest.mark.parametrize("text", ["\ud800", "a: \x00", "[" * 5000, "é" * 199_999, "a: &a [*a]"])
def test_no_text_is_an_error_of_the_server(client, text):
    import json

    body = json.dumps({"text": text}).encode()
    answer = client.post(f"{URL}/validate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 422)


def test_templates_are_whole_workflows(client):
    templates = client.get(f"{URL}/templates").json()
    assert len(templates) == 4
    for template in templates:
        assert client.post(f"{URL}/validate", json={"text": template["text"]}).json()["mistakes"] == []


@pytest.mark.parametrize("workspace", ["on"], indirect=True)
def test_a_viewer_reads_an_operator_writes_and_an_admin_may_name_code(workspace, client):
    heads = {}
    for role in AccessRole:
        user = workspace.access.add_user(role.value, role, "long enough, is it not", by=LOCAL)
        heads[role] = {"Authorization": f"Bearer {workspace.access.jwt_of(user)[0]}"}
    etag = client.get(URL, headers=heads[AccessRole.VIEWER]).json()["etag"]
    assert client.get(URL).status_code == 401

    def save(role, text, based_on):
        return client.put(URL, json={"text": text}, headers={**heads[role], "If-Match": based_on})

    assert save(AccessRole.ANNOTATOR, MORE, etag).status_code == 403
    saved = save(AccessRole.OPERATOR, MORE, etag)
    assert saved.json()["version"]["author"] == "operator"
    code = next(
        t["text"]
        for t in client.get(f"{URL}/templates", headers=heads[AccessRole.VIEWER]).json()
        if t["name"] == "tools"
    )
    code = code.replace("[MathToolkit]", "['os:system']")
    refused = save(AccessRole.OPERATOR, code, saved.json()["etag"])
    assert (refused.status_code, "takes the role admin" in refused.json()["detail"]) == (403, True)
    assert save(AccessRole.ADMIN, code, saved.json()["etag"]).status_code == 200
