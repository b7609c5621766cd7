"""Somebody signs in with a real browser, is refused what their role does not allow, and signs out."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_server import live_server
from server.served import PASSWORD, served
from sessions.playing import write_configs
from storage.conftest import cycle

from camelx.schemas import CycleStatus

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def app(tmp_path):
    write_configs(tmp_path)
    with served(tmp_path, pages=True, project=tmp_path) as opened:
        store = opened.state.workspace.store
        store.add_cycle(cycle(1).model_copy(update={"status": CycleStatus.FAILED, "error": "stopped"}))
        yield opened


@pytest.fixture
def page():
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"browser tests need {CHROMIUM}")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        opened = browser.new_page()
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


def test_a_viewer_signs_in_is_told_why_they_may_not_and_signs_out(app, page):
    blocked = []
    page.on("console", lambda said: "Content Security" in said.text and blocked.append(said.text))
    with live_server(app, lifespan="on") as server:
        page.goto(f"{server.url}/cycles?cycle=c1")
        assert "/sign-in?next=" in page.url
        page.fill("[name=name]", "viewer")
        page.fill("[name=password]", "not the password")
        page.keyboard.press("Enter")
        page.get_by_role("alert").filter(has_text="is wrong").wait_for()
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/cycles?cycle=c1")
        page.locator("#cx-signed-in").get_by_text("viewer (viewer)").wait_for()
        page.wait_for_function("document.body.innerText.includes('Cycle c1')")
        assert not page.locator("#cx-start").is_visible()
        page.goto(f"{server.url}/chat")
        refused = page.get_by_text("viewer has the role viewer; talking to agents takes annotator").first
        refused.wait_for()
        page.locator("#cx-signed-in button").click()
        page.wait_for_url("**/sign-in")
        page.goto(f"{server.url}/cycles")
        assert "/sign-in?next=%2Fcycles" in page.url
    assert blocked == []
