"""A request that is sent again creates nothing again."""

from __future__ import annotations

import threading

import pytest

from .served import PASSWORD, client_of, served
from .test_core import is_problem


@pytest.fixture
def app(tmp_path, database):
    with served(tmp_path, database_url=database) as opened:
        yield opened


def add(app, name="ada", key="k1", asking="admin", **fields):
    new = {"name": name, "password": PASSWORD, **fields}
    return client_of(app, asking).post("/api/v1/users", json=new, headers={"idempotency-key": key})


def test_the_same_request_is_answered_the_same(app):
    first, again = add(app), add(app)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["location"] == "/api/v1/users/ada"
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(client_of(app, "admin").get("/api/v1/users").json()) == 5


def names(app):
    return {user["name"] for user in client_of(app, "admin").get("/api/v1/users").json()}


def test_another_request_under_the_same_key_is_a_mistake(app):
    add(app)
    is_problem(add(app, name="bob"), 422)
    assert "bob" not in names(app)
    assert add(app, name="bob", key="k2").status_code == 201


def test_a_key_is_its_users_own(app):
    add(app)
    refused = add(app, asking="operator")
    is_problem(refused, 403)
    assert "idempotency-replayed" not in refused.headers, "the answer to somebody else"


def test_a_request_that_did_nothing_may_be_sent_again(app):
    is_problem(add(app, name="viewer"), 409)
    is_problem(add(app, name="<b>"), 422)
    assert add(app).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "with space"])
def test_a_key_that_is_none_is_refused(app, key):
    is_problem(add(app, key=key), 422)
    assert "ada" not in names(app)


def test_of_two_at_once_one_creates(app):
    together, answers = threading.Barrier(2), []

    def send():
        together.wait()
        answers.append(add(app))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status_code for a in answers} <= {201, 409}
    assert add(app).status_code == 201
    trail = client_of(app, "admin").get("/api/v1/audit?action=user.add&subject=ada").json()["items"]
    assert len(trail) == 1


def test_an_answer_with_a_secret_is_not_kept(app):
    def make():
        headers = {"idempotency-key": "t"}
        return client_of(app, "viewer").post("/api/v1/tokens", json={"label": "x"}, headers=headers)

    made = make().json()["token"]
    again = make()
    assert "secret" in is_problem(again, 409)["detail"]
    assert made not in again.text
    assert len(client_of(app, "viewer").get("/api/v1/tokens").json()) == 1
