"""/api/v1/agreement: figures, settled verdicts, annotations to files and back, for those who may."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from pairs_to_judge import add_pairs_to_judge

from camelx.annotation import annotation_id
from camelx.config import Settings
from camelx.schemas import AccessRole, Annotation, Principal, Verdict
from camelx.server import create_app
from camelx.workspace import Workspace

URL = "/api/v1/agreement"
ROOT = Principal(name="root", role=AccessRole.ADMIN, via="cli")
As = Callable[[str], TestClient]


@pytest.fixture
def workspace(database: str, tmp_path) -> Iterator[Workspace]:
    settings = Settings(_env_file=None, root=tmp_path, database_url=database, sign_in="on")
    with Workspace.open(settings) as opened:
        add_pairs_to_judge(opened.store)
        opened.store.save_annotations(_verdicts(opened))
        yield opened


def _verdicts(workspace: Workspace) -> list[Annotation]:
    """Ada and ben judge six pairs and differ on the last two."""
    made = []
    for n, pair in enumerate(workspace.store.comparisons("c1")[:6]):
        for name in ("ada", "ben"):
            differs = name == "ben" and n > 3
            made.append(
                Annotation(
                    id=annotation_id((pair.first_id, pair.second_id), name),
                    goal_id=pair.goal_id,
                    first_id=pair.first_id,
                    second_id=pair.second_id,
                    annotator=name,
                    verdict=Verdict.SECOND if differs or n % 2 else Verdict.FIRST if n else Verdict.TIE,
                )
            )
    return made


@pytest.fixture
def acting(workspace: Workspace) -> Iterator[As]:
    """Gives a client that is signed in in the role."""
    app = create_app(workspace, pages=False)
    clients: dict[str, TestClient] = {}

    def acting_as(role: str) -> TestClient:
        if role not in clients:
            user = workspace.access.add_user(f"the-{role}", AccessRole(role), "a long password", by=ROOT)
            token, _ = workspace.access.jwt_of(user)
            clients[role] = TestClient(app, headers={"Authorization": f"Bearer {token}"})
        return clients[role]

    yield acting_as
    for client in clients.values():
        client.close()


def test_the_figures_are_those_of_the_verdicts(acting: As) -> None:
    found = acting("viewer").get(URL, params={"cycle_id": "c1"}).json()
    assert found["n_annotations"] == 12
    assert [person["name"] for person in found["people"]] == ["ada", "ben"]
    assert found["n_disputed"] == len(found["disagreements"]) == 1
    assert found["people"][0]["percent"]["value"] == pytest.approx(5 / 6)
    assert [one["name"] for one in found["reviewers"]] == ["ada", "ben"]
    assert acting("viewer").get(URL, params={"cycle_id": "c9"}).status_code == 404


@pytest.mark.parametrize(("format", "kind"), [("jsonl", "application/jsonl"), ("csv", "text/csv")])
def test_a_viewer_exports_what_an_admin_imports(
    acting: As, workspace: Workspace, format: str, kind: str
) -> None:
    answer = acting("viewer").get(f"{URL}/export", params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert f'filename="annotations.{format}"' in answer.headers["content-disposition"]
    before = workspace.store.annotations_on()
    workspace.store.delete_annotations(a.id for a in before)
    file = {"file": (f"back.{format}", answer.content)}
    looked = acting("admin").post(f"{URL}/import", files=file)
    assert looked.status_code == 200, looked.text
    assert looked.json()["is_dry_run"] is True
    assert looked.json()["counts"]["added"] == 12
    assert workspace.store.annotations_on() == []
    done = acting("admin").post(f"{URL}/import", params={"dry_run": False, "strict": True}, files=file)
    assert done.json()["counts"]["added"] == 12
    assert workspace.store.annotations_on() == before
    assert workspace.access.trail(action="annotation.import")[0].actor == "the-admin"


def test_parquet_holds_one_persons_verdicts(acting: As) -> None:
    answer = acting("viewer").get(f"{URL}/export", params={"format": "parquet", "annotator": "ben"})
    assert set(pq.read_table(io.BytesIO(answer.content))["annotator"].to_pylist()) == {"ben"}


def test_refused_rows_are_named_by_the_uploaded_files_lines(acting: As, workspace: Workspace) -> None:
    lines = [{"a_id": "x", "b_id": "y", "preferred": "x", "annotator": "ada"}, ["no", "object"]]
    content = "\n".join(map(json.dumps, lines)).encode()
    answer = acting("admin").post(
        f"{URL}/import", params={"dry_run": False}, files={"file": ("../../etc/a.jsonl", content)}
    )
    assert [row["place"] for row in answer.json()["rows"]] == ["a.jsonl:1", "a.jsonl:2"]
    strict = acting("admin").post(
        f"{URL}/import", params={"dry_run": False, "strict": True}, files={"file": ("a.jsonl", content)}
    )
    assert strict.status_code == 422
    assert "2 of 2 rows are refused" in strict.json()["detail"]


@pytest.mark.parametrize("name", ["a.exe", "a", "", "..", "a.csv/../b", "a.js\0l"])
def test_files_of_no_known_format_are_refused(acting: As, name: str) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = acting("admin").post(f"{URL}/import", content=head.encode(), headers=headers)
    assert answer.status_code == 422, answer.text
    assert "camelx-import" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_was_settled_since_is_neither_overruled_nor_taken_back(acting: As) -> None:
    admin = acting("admin")
    (disputed,) = admin.get(URL).json()["disagreements"]
    pair = {name: disputed[name] for name in ("first_id", "second_id")}
    asked = pair | {"preferred": "tie", "instead_of": disputed["settled_version"]}
    settled = admin.put(f"{URL}/settled", json=asked)
    assert settled.status_code == 200, settled.text
    assert admin.put(f"{URL}/settled", json=asked).status_code == 409
    late = admin.delete(f"{URL}/settled", params=pair | {"instead_of": ""})
    assert (late.status_code, "the-admin has settled" in late.json()["detail"]) == (409, True)
    (version,) = {one["settled_version"] for one in settled.json() if one["first_id"] in pair.values()}
    assert admin.get(URL).json()["disagreements"][0]["settled_version"] == version
    assert admin.delete(f"{URL}/settled", params=pair | {"instead_of": version}).status_code == 200


def test_an_admin_settles_and_takes_it_back(acting: As, workspace: Workspace) -> None:
    (disputed,) = acting("viewer").get(URL).json()["disagreements"]
    pair = {name: disputed[name] for name in ("first_id", "second_id")}
    settled = acting("admin").put(f"{URL}/settled", json=pair | {"preferred": pair["second_id"]})
    assert settled.status_code == 200, settled.text
    assert {one["annotator"] for one in settled.json()} == {"the-admin"}
    (now,) = acting("viewer").get(URL).json()["disagreements"]
    assert (now["settled"], now["settled_by"]) == ("second", "the-admin")
    assert acting("admin").delete(f"{URL}/settled", params=pair).status_code == 200
    assert acting("admin").delete(f"{URL}/settled", params=pair).status_code == 404
    assert acting("viewer").get(URL).json()["disagreements"][0]["settled"] is None
    assert [entry.action for entry in workspace.access.trail(action="annotation")] == [
        "annotation.unsettle",
        "annotation.settle",
    ]
    wrong = acting("admin").put(f"{URL}/settled", json=pair | {"preferred": "third"})
    assert wrong.status_code == 422
    unknown = {"first_id": "x", "second_id": "y", "preferred": "tie"}
    assert acting("admin").put(f"{URL}/settled", json=unknown).status_code == 404


def test_verdicts_are_withdrawn_by_person_or_by_id_and_never_in_part(
    acting: As, workspace: Workspace
) -> None:
    admin = acting("admin")
    ids = [a.id for a in workspace.store.annotations_on(annotator="ada")]
    answer = admin.post(f"{URL}/withdraw", json={"ids": [*ids[:2], "no-such-id"]})
    assert answer.status_code == 404
    assert len(workspace.store.annotations_on()) == 12
    done = {"annotations": 2, "is_dry_run": False}
    tried = admin.post(f"{URL}/withdraw", json={"ids": ids[:2], "dry_run": True}).json()
    assert tried == done | {"is_dry_run": True}
    assert len(workspace.store.annotations_on()) == 12
    assert admin.post(f"{URL}/withdraw", json={"ids": ids[:2]}).json() == done
    ben = {"annotator": "ben", "cycle_id": "c1", "since": "2020-01-01T00:00:00Z"}
    assert admin.post(f"{URL}/withdraw", json=ben | {"verdict": "tie"}).json()["annotations"] == 1
    assert admin.post(f"{URL}/withdraw", json=ben | {"until": ben["since"]}).status_code == 404
    assert admin.post(f"{URL}/withdraw", json=ben).json()["annotations"] == 5
    assert len(workspace.store.annotations_on()) == 4
    (last, *_) = workspace.access.trail(action="annotation.withdraw")
    assert (last.subject, last.details["annotations"], last.details["conditions"]["cycle_id"]) == (
        "ben",
        5,
        "c1",
    )
    for wrong in ({}, {"annotator": "ben", "ids": ids}, {"ids": ids, "cycle_id": "c1"}, {"ids": []}):
        assert admin.post(f"{URL}/withdraw", json=wrong).status_code == 422


def test_a_verdict_on_several_pairs_is_withdrawn_whole(acting: As, workspace: Workspace) -> None:
    twins = [
        a.model_copy(update={"submission_id": "s"})
        for a in workspace.store.annotations_on(annotator="ada")[:2]
    ]
    workspace.store.save_annotations(twins)
    answer = acting("admin").post(f"{URL}/withdraw", json={"ids": [twins[0].id]})
    assert answer.json()["annotations"] == 2
    assert workspace.store.annotators() == {"ada": 4, "ben": 6}


def test_verdicts_under_a_wrong_name_are_given_to_the_right_one_and_conflicts_come_back(
    acting: As, workspace: Workspace
) -> None:
    admin, bens = acting("admin"), workspace.store.annotations_on(annotator="ben")
    workspace.store.delete_annotations([a.id for a in bens[:2]])
    asked = {"annotator": "ada", "to": "ben"}
    tried = admin.post(f"{URL}/reassign", json=asked | {"dry_run": True}).json()
    assert (tried["annotations"], len(tried["left"]), tried["is_dry_run"]) == (2, 4, True)
    done = admin.post(f"{URL}/reassign", json=asked).json()
    assert done == tried | {"is_dry_run": False}
    assert {one["annotator"] for one in done["left"]} == {"ada"}
    assert workspace.store.annotators() == {"ada": 4, "ben": 6}
    (entry,) = workspace.access.trail(action="annotation.reassign")
    assert (entry.subject, entry.details["to"], entry.details["left"]) == ("ada", "ben", 4)
    for wrong in ({"to": "ben"}, {"annotator": "ada"}, asked | {"to": "b\u0000"}, asked | {"ids": ["x"]}):
        assert admin.post(f"{URL}/reassign", json=wrong).status_code == 422
    assert admin.post(f"{URL}/reassign", json={"ids": ["x"], "to": "ben"}).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "annotator", "operator"])
def test_only_admins_settle_import_and_withdraw(acting: As, workspace: Workspace, role: str) -> None:
    client, pair = acting(role), {"first_id": "x", "second_id": "y"}
    assert client.get(URL).status_code == 200
    for answer in (
        client.put(f"{URL}/settled", json=pair | {"preferred": "tie"}),
        client.delete(f"{URL}/settled", params=pair),
        client.post(f"{URL}/withdraw", json={"annotator": "ada"}),
        client.post(f"{URL}/reassign", json={"annotator": "ada", "to": "ben"}),
        client.post(f"{URL}/import", files={"file": ("a.jsonl", b"")}),
    ):
        assert answer.status_code == 403
    assert len(workspace.store.annotations_on()) == 12
