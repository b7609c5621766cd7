"""/api/docs: a page that reads the OpenAPI document with nothing from anywhere else."""

from __future__ import annotations

import pytest
from live_server import live_server

from .served import client_of, served


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with served(tmp_path_factory.mktemp("docs")) as opened:
        yield opened


def test_the_page_opens_in_a_browser_without_another_host_and_calls_the_api(app, tab):
    asked, wrong = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    with live_server(app) as server:
        tab.goto(f"{server.url}/api/docs")
        tab.locator('[data-path="/api/v1/cycles/{cycle_id}/resume"]').wait_for()
        tab.locator('[data-path="/healthz"]').click()
        tab.get_by_role("button", name="Try it out").click()
        tab.get_by_role("button", name="Execute").click()
        tab.locator(".live-responses-table").get_by_text('"alive"').first.wait_for()
        elsewhere = [url for url in asked if not url.startswith((server.url, "data:"))]
    assert f"{server.url}/api/v1/openapi.json" in asked
    assert (elsewhere, wrong) == ([], [])


def test_the_page_is_for_everybody_and_runs_no_script_of_its_own(app):
    answer = client_of(app).get("/api/docs")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "<script>" not in answer.text
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"):
        assert name in answer.headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("start.js", "javascript"),  # text/ or application/: what a machine, or Gradio, calls it
        ("swagger-ui-bundle.js", "javascript"),
        ("swagger-ui.css", "css"),
    ],
)
def test_what_the_page_is_made_of_comes_with_its_type(app, name, kind):
    answer = client_of(app).get(f"/api/docs/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0].partition("/")[2] == kind


@pytest.mark.parametrize("name", ["VERSION", "..%2fflask_swagger_ui.py", "%2e%2e/__init__.py"])
def test_no_other_file_is_opened(app, name):
    assert client_of(app).get(f"/api/docs/{name}").status_code in (404, 422)
