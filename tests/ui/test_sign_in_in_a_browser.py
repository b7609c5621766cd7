"""Somebody signs in with a real browser, is refused what their role does not allow, and signs out."""

from __future__ import annotations

import pytest
from live_server import live_server
from server.served import PASSWORD, served
from sessions.playing import write_configs
from storage.conftest import cycle

from camelx.schemas import CycleStatus


@pytest.fixture
def app(tmp_path):
    write_configs(tmp_path)
    with served(tmp_path, pages=True, project=tmp_path) as opened:
        store = opened.state.workspace.store
        store.add_cycle(cycle(1).model_copy(update={"status": CycleStatus.FAILED, "error": "stopped"}))
        yield opened


def test_a_viewer_signs_in_is_told_why_they_may_not_and_signs_out(app, tab):
    blocked = []
    tab.on("console", lambda said: "Content Security" in said.text and blocked.append(said.text))
    with live_server(app, lifespan="on") as server:
        tab.goto(f"{server.url}/cycles?cycle=c1")
        assert "/sign-in?next=" in tab.url
        tab.fill("[name=name]", "viewer")
        tab.fill("[name=password]", "not the password")
        tab.keyboard.press("Enter")
        tab.get_by_role("alert").filter(has_text="is wrong").wait_for()
        tab.fill("[name=password]", PASSWORD)
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/cycles?cycle=c1")
        tab.locator("#cx-signed-in").get_by_text("viewer (viewer)").wait_for()
        tab.wait_for_function("document.body.innerText.includes('Cycle c1')")
        assert not tab.locator("#cx-start").is_visible()
        tab.goto(f"{server.url}/chat")
        refused = tab.get_by_text("viewer has the role viewer; talking to agents takes annotator").first
        refused.wait_for()
        tab.locator("#cx-signed-in button").click()
        tab.wait_for_url("**/sign-in")
        tab.goto(f"{server.url}/cycles")
        assert "/sign-in?next=%2Fcycles" in tab.url
    assert blocked == []
