"""What every request passes: trace ids, problem details, headers, origins, limits, sessions."""

from __future__ import annotations

import json
import re
import time

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient, WebSocketDenialResponse

from camelx.access import LOCAL
from camelx.config import Settings
from camelx.errors import CamelxError, ConflictError
from camelx.schemas import AccessRole
from camelx.server import create_app
from camelx.server import routes as all_routes
from camelx.server.routes.sign_in import own_path
from camelx.workspace import Workspace

from .served import HOST, PASSWORD, browser_of, client_of, served


@pytest.fixture
def app(tmp_path, database):
    with served(tmp_path, database_url=database) as opened:
        yield opened


@pytest.fixture
def local_app(tmp_path):
    """An app on loopback where nobody signs in."""
    with Workspace.open(Settings(root=tmp_path)) as workspace:
        yield create_app(workspace, pages=False)


def is_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["trace_id"] == answer.headers["x-trace-id"]
    assert "Traceback" not in answer.text
    return said


# Problems and trace ids


def test_every_kind_of_error_is_a_problem(app):
    admin = client_of(app, "admin")
    assert is_problem(client_of(app).get("/api/v1/users"), 401)["detail"].startswith("sign in first")
    assert "takes admin" in is_problem(client_of(app, "viewer").get("/api/v1/users"), 403)["detail"]
    is_problem(admin.get("/api/v1/users/nobody"), 404)
    is_problem(admin.get("/api/v1/nothing"), 404)
    refused = admin.put("/api/v1/users")
    is_problem(refused, 405)
    assert refused.headers["allow"] == "GET, POST"
    taken = {"name": "viewer", "password": PASSWORD}
    is_problem(admin.post("/api/v1/users", json=taken), 409)
    wrong = is_problem(admin.post("/api/v1/users", json={"name": "<b>", "role": "king"}), 422)
    assert {e["where"] for e in wrong["errors"]} == {"body.name", "body.role", "body.password"}
    is_problem(admin.post("/api/v1/users", content="{", headers={"content-type": "application/json"}), 422)


def test_what_nobody_expected_is_told_by_its_trace_id_alone(tmp_path, monkeypatch):
    router = APIRouter()

    @router.get("/api/v1/broken")
    def broken():
        raise RuntimeError("the password is hunter2")

    @router.get("/api/v1/conflict")
    def conflict():
        raise ConflictError("held by \x1b[31mada")

    monkeypatch.setattr("camelx.server.app.ROUTERS", (*all_routes.ROUTERS, router))
    with served(tmp_path) as app:
        client = client_of(app, "viewer", raise_server_exceptions=False)
        answer = client.get("/api/v1/broken", headers={"x-trace-id": "abc"})
        assert "abc" in is_problem(answer, 500)["detail"]
        assert "hunter2" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert is_problem(client.get("/api/v1/conflict"), 409)["detail"] == "held by \ufffd[31mada"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"x-trace-id": "my-trace.1"}, "my-trace.1"),
        ({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, "ab" * 16),
        ({"traceparent": f"00-{'0' * 32}-{'cd' * 8}-01"}, None),
        ({"x-trace-id": "no spaces\there"}, None),
        ({"x-trace-id": "x" * 65}, None),
        ({}, None),
    ],
)
def test_a_trace_id_comes_from_the_caller_or_is_made(app, sent, expected):
    got = client_of(app).get("/api/v1/auth/me", headers=sent).headers["x-trace-id"]
    assert got == expected if expected else re.fullmatch("[0-9a-f]{32}", got)


def test_the_trace_id_of_a_request_is_in_the_trail(app):
    new = {"name": "ada", "password": PASSWORD}
    client_of(app, "admin").post("/api/v1/users", json=new, headers={"x-trace-id": "t-7"})
    entry = client_of(app, "admin").get("/api/v1/audit?action=user&subject=ada").json()["items"][0]
    assert (entry["actor"], entry["trace_id"], entry["details"]["via"]) == ("admin", "t-7", "jwt")


# Who asks


def test_a_name_and_a_password_give_a_token(app):
    answer = client_of(app).post("/api/v1/auth/token", json={"name": "operator", "password": PASSWORD})
    assert answer.headers["cache-control"] == "no-store"
    header = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    said = client_of(app).get("/api/v1/auth/me", headers=header).json()
    assert said == {"name": "operator", "role": "operator", "via": "jwt", "sign_in_required": True}
    is_problem(client_of(app).post("/api/v1/auth/token", json={"name": "operator", "password": "x"}), 401)


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer x", "nonsense", "Bearer camelx_x"])
def test_any_other_authorization_is_refused(app, header):
    answer = client_of(app).get("/api/v1/auth/me", headers={"Authorization": header})
    assert is_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_for_a_program_is_shown_once_and_can_be_revoked(app):
    me = client_of(app, "operator")
    made = me.post("/api/v1/tokens", json={"label": "x", "role": "viewer"}).json()
    program = client_of(app)
    program.headers["Authorization"] = f"Bearer {made['token']}"
    assert program.get("/api/v1/auth/me").json()["role"] == "viewer"
    assert made["token"] not in me.get("/api/v1/tokens").text
    is_problem(program.post("/api/v1/tokens", json={"label": "another"}), 403)
    assert client_of(app, "viewer").get("/api/v1/tokens").json() == []
    is_problem(client_of(app, "viewer").delete(f"/api/v1/tokens/{made['id']}"), 404)
    assert me.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    is_problem(program.get("/api/v1/auth/me"), 401)


def test_an_admin_keeps_users(app):
    admin = client_of(app, "admin")
    new = {"name": "ada", "role": "viewer", "password": PASSWORD}
    made = admin.post("/api/v1/users", json=new)
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/users/ada")
    assert "password" not in made.text
    assert admin.patch("/api/v1/users/ada", json={"role": "operator"}).json()["role"] == "operator"
    is_problem(admin.patch("/api/v1/users/ada", json={}), 422)
    assert admin.delete("/api/v1/users/ada").status_code == 204
    assert admin.get("/api/v1/users/ada").json()["is_active"] is False
    is_problem(admin.delete("/api/v1/users/admin"), 409)


def test_ones_own_password_takes_the_old_one_and_ends_sessions(app):
    browser = browser_of(app, "viewer")
    origin = {"origin": HOST}
    wrong = {"old": "no", "new": "another good one"}
    is_problem(browser.put("/api/v1/auth/password", json=wrong, headers=origin), 403)
    right = {"old": PASSWORD, "new": "another good one"}
    assert browser.put("/api/v1/auth/password", json=right, headers=origin).status_code == 204
    is_problem(browser.get("/api/v1/auth/me"), 401)


def test_the_trail_is_read_page_by_page(app):
    admin = client_of(app, "admin")
    first = admin.get("/api/v1/audit?limit=3").json()
    second = admin.get(f"/api/v1/audit?limit=3&cursor={first['next_cursor']}").json()
    seen = [entry["subject"] for entry in (*first["items"], *second["items"])]
    assert seen == ["admin", "operator", "annotator", "viewer"]
    assert second["next_cursor"] is None


# The sign-in page


def sign_in(client, password=PASSWORD, name="viewer", target="/cycles?x=1"):
    form = {"name": name, "password": password, "next": target}
    return client.post("/sign-in", data=form, headers={"origin": HOST})


def test_the_page_signs_in_and_goes_on(app):
    client = client_of(app)
    page = client.get("/sign-in?next=/cycles%3Fx%3D1")
    assert 'value="/cycles?x=1"' in page.text
    assert "script" not in page.text
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/cycles?x=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert client.get("/api/v1/auth/me").json()["via"] == "session"
    assert client.get("/sign-in").status_code == 303
    gone = client.post("/sign-out", headers={"origin": HOST})
    assert gone.headers["location"] == "/sign-in"
    is_problem(client.get("/api/v1/auth/me"), 401)


def test_with_tls_the_cookie_is_for_this_host_and_tls_alone(app):
    client = TestClient(app, base_url="https://camelx.example", follow_redirects=False)
    form = {"name": "viewer", "password": PASSWORD}
    answer = client.post("/sign-in", data=form, headers={"origin": "https://camelx.example"})
    assert answer.headers["set-cookie"].startswith("__Host-camelx_session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"]
    plain = {"origin": "http://camelx.example:443"}
    is_problem(client.post("/sign-in", data=form, headers=plain), 403)


def test_a_wrong_password_shows_the_page_again_and_tells_nothing(app):
    wrong = sign_in(client_of(app), password="wrong")
    unknown = sign_in(client_of(app), name="nobody")
    assert wrong.status_code == unknown.status_code == 401
    assert "set-cookie" not in wrong.headers
    assert wrong.text.replace("viewer", "nobody") == unknown.text
    hostile = sign_in(client_of(app), name='"><script>alert(1)</script>', target='/"><img src=x>')
    assert "<script" not in hostile.text
    assert "<img" not in hostile.text


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\\\\evil", "x",
     "/\t/evil.example", "/%0a\n", "/sign-out", ""],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(target):
    assert own_path(target) == "/"


# Origins


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": HOST}, 204),
        ({"sec-fetch-site": "same-origin"}, 204),
        ({"referer": f"{HOST}/cycles"}, 204),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:8080"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "http://localhost:x"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"referer": "http://evil.example/localhost"}, 403),
    ],
)
def test_a_session_acts_for_pages_of_this_origin_alone(app, headers, status):
    change = {"old": PASSWORD, "new": "another good one"}
    answer = browser_of(app, "viewer").put("/api/v1/auth/password", json=change, headers=headers)
    assert answer.status_code == status


def test_a_trusted_origin_may_act_and_a_programs_token_needs_none(tmp_path):
    with served(tmp_path, trusted_origins="https://a.example, https://b.example/") as app:
        new = {"label": "x"}
        trusted = {"origin": "https://b.example"}
        assert browser_of(app, "viewer").post("/api/v1/tokens", json=new, headers=trusted).status_code == 201
        assert client_of(app, "viewer").post("/api/v1/tokens", json=new).status_code == 201


def test_another_origins_page_can_not_read(app):
    answer = browser_of(app, "viewer").options(
        "/api/v1/auth/me",
        headers={"origin": "http://evil.example", "access-control-request-method": "GET"},
    )
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost:1"])
def test_a_websocket_is_refused_to_another_origins_page(app, origin):
    path = "/api/v1/ws/cycles/none"
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        browser_of(app, "viewer").websocket_connect(path, headers={"origin": origin}),
    ):
        pass
    assert refused.value.status_code == 403


def test_a_websocket_wants_somebody_signed_in(app):
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client_of(app).websocket_connect("/api/v1/ws/cycles/none"),
    ):
        pass
    assert is_problem(refused.value, 401)


# This machine alone


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:80", "[::1]:7860", "127.8.8.8"])
def test_without_sign_in_this_machine_is_answered(local_app, host):
    client = TestClient(local_app, base_url=HOST)
    said = client.get("/api/v1/auth/me", headers={"host": host}).json()
    assert (said["name"], said["role"]) == ("local", "admin")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.1.5", "", "[::2]"])
def test_without_sign_in_no_other_name_is_answered(local_app, host):
    client = TestClient(local_app, base_url=HOST)
    said = is_problem(client.get("/api/v1/auth/me", headers={"host": host}), 421)
    assert "CAMELX_SIGN_IN=on" in said["detail"]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_without_sign_in_no_proxy_is_answered(local_app, header):
    client = TestClient(local_app, base_url=HOST)
    said = is_problem(client.get("/api/v1/auth/me", headers={header: "1.2.3.4"}), 403)
    assert "CAMELX_SIGN_IN=on" in said["detail"]


def test_without_sign_in_another_origins_page_can_not_act(local_app):
    client = TestClient(local_app, base_url=HOST)
    new = {"name": "eve", "role": "admin", "password": PASSWORD}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        is_problem(client.post("/api/v1/users", json=new, headers=headers), 403)
    assert client.get("/api/v1/users").json() == []
    assert client.post("/api/v1/users", json=new).status_code == 201, "a page of this origin can"


# Limits


def test_a_body_that_is_too_long_is_refused_by_length_and_while_it_streams(tmp_path):
    with served(tmp_path, max_body_mb=0.001, max_upload_mb=0.01) as app:
        admin = client_of(app, "admin")
        long = {"name": "ada", "password": "x" * 2_000}
        is_problem(admin.post("/api/v1/users", json=long), 413)
        sent = []

        def stream():
            for _ in range(1_000):
                sent.append(1)
                yield b'{"name": "' + b"x" * 500

        headers = {"content-type": "application/json"}
        is_problem(admin.post("/api/v1/users", content=stream(), headers=headers), 413)
        is_problem(
            admin.post("/api/v1/users", content=stream(), headers=headers | {"idempotency-key": "k"}), 413
        )
        assert admin.post("/api/v1/nothing/import", content=b"x" * 5_000).status_code == 404
        is_problem(admin.post("/api/v1/nothing/import", content=b"x" * 20_000), 413)


def test_tries_to_sign_in_are_counted_by_name_and_by_address(tmp_path):
    with served(tmp_path, sign_in_rate="3/hour") as app:
        client = client_of(app)
        for _ in range(3):
            assert sign_in(client, password="wrong").status_code == 401
        answer = sign_in(client)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        is_problem(client.post("/api/v1/auth/token", json={"name": "VIEWER", "password": PASSWORD}), 429)
        for i in range(7):
            sign_in(client, name=f"n{i}")
        assert sign_in(client, name="operator").status_code == 429


def test_a_right_password_forgets_the_wrong_ones(tmp_path):
    with served(tmp_path, sign_in_rate="3/hour") as app:
        for _ in range(3):
            assert sign_in(client_of(app), password="wrong").status_code == 401
            assert sign_in(client_of(app)).status_code == 303


def test_changes_are_counted_by_user(tmp_path):
    with served(tmp_path, write_rate="2/hour") as app:
        for _ in range(2):
            assert client_of(app, "viewer").post("/api/v1/tokens", json={"label": "x"}).status_code == 201
        refused = client_of(app, "viewer").post("/api/v1/tokens", json={"label": "x"})
        assert is_problem(refused, 429)
        assert int(refused.headers["retry-after"]) > 0
        assert client_of(app, "viewer").get("/api/v1/tokens").status_code == 200
        assert client_of(app, "operator").post("/api/v1/tokens", json={"label": "x"}).status_code == 201


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
def test_whoever_guesses_tokens_is_stopped(app, key):
    for i in range(60):
        guess = {"Authorization": f"Bearer camelx_{i}", **key}
        answer = client_of(app).post("/api/v1/tokens", json={"label": "x"}, headers=guess)
        assert is_problem(answer, 401)
        assert answer.headers["x-frame-options"] == "DENY"
    guess = {"Authorization": "Bearer camelx_x"}
    assert is_problem(client_of(app).get("/api/v1/auth/me", headers=guess), 429)


def test_a_wrong_rate_is_said_at_the_start(tmp_path):
    with pytest.raises(CamelxError, match="CAMELX_WRITE_RATE"), served(tmp_path, write_rate="often"):
        pass


# Headers


def test_every_answer_tells_browsers_what_its_page_may_do(app):
    client = client_of(app)
    for path in ("/sign-in", "/api/v1/auth/me", "/api/v1/nothing"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert not re.search(r"https?:|\*", headers["content-security-policy"])


def test_a_session_slides_with_use(app, monkeypatch):
    access = app.state.workspace.access
    young = browser_of(app, "viewer")
    assert "set-cookie" not in young.get("/api/v1/auth/me").headers
    half_over = int(time.time()) - 40 * 60
    with monkeypatch.context() as then:
        then.setattr("camelx.access.signing.time.time", lambda: half_over)
        old = browser_of(app, "viewer")
    fresh = old.get("/api/v1/auth/me").headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert access.signer.read(fresh, "session").issued_at > half_over
    assert access.signer.read(fresh, "session").signed_in_at == half_over


def test_the_document_names_every_problem_and_how_to_sign_in(app):
    document = client_of(app).get("/api/v1/openapi.json").json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/api/v1/") and path != "/api/v1/auth/token":
                assert {"401", "403", "422"} <= set(operation["responses"]), (method, path)
    assert "HTTPValidationError" not in json.dumps(document)


def test_the_roles_of_the_document_are_those_of_the_records(app):
    document = client_of(app).get("/api/v1/openapi.json").json()
    assert document["components"]["schemas"]["AccessRole"]["enum"] == [r.value for r in AccessRole]


def test_local_is_no_user(local_app):
    answer = TestClient(local_app, base_url=HOST).post("/api/v1/tokens", json={"label": "x"})
    assert is_problem(answer, 404)
    assert LOCAL.name == "local"
