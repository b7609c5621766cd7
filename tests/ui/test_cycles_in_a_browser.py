"""A person starts a cycle on the page and watches it end: real browser, app, Prefect, processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e.conftest import CountingServer
from small_cycles import answering, small_base, small_project  # noqa: F401

from camelx.config import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def app(small_project: Settings) -> Iterator[str]:  # noqa: F811
    """The address of an app on the small project, with a Prefect server of each cycle's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "camelx", "serve", "--port", str(port)],
        cwd=small_project.root,
        env=kept | {"PYTHONPATH": str(ROOT), "CAMELX_PREFECT_PORT": "0"},
        stdout=(small_project.root / "app.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 300
    while True:
        try:
            httpx.get(f"{address}/api/v1/cycles", timeout=10).raise_for_status()
            break
        except httpx.HTTPError:
            assert process.poll() is None, (small_project.root / "app.log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield address
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 0


@pytest.fixture
def browser_page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"browser tests need {CHROMIUM}")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def test_a_person_starts_a_cycle_cancels_it_goes_on_and_watches_it_end(
    app: str,
    browser_page: Any,
    answering: CountingServer,  # noqa: F811
) -> None:
    from playwright.sync_api import expect

    page, slow = browser_page, 500_000
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    answering.delay_s = 0.3
    page.goto(f"{app}/cycles")
    expect(page.locator("#cx-list")).to_contain_text("No cycle yet")
    page.get_by_label("Overrides").fill("goals.m=3")
    expect(page.get_by_text("goals.m: unknown key")).to_be_visible(timeout=60_000)
    page.get_by_label("Overrides").fill("goals.n=6")
    expect(page.get_by_text("This can be started.")).to_be_visible(timeout=60_000)
    page.locator("#cx-start").click()
    watched = page.locator("#cx-watched")
    expect(watched.locator("h2")).to_contain_text("Cycle c1")
    expect(watched.locator("h2")).to_contain_text("running", timeout=slow)
    expect(watched).to_contain_text(re.compile(r"\d+ of \d+ interactions"), timeout=slow)

    page.get_by_role("button", name="Cancel this cycle").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(watched.locator("h2")).to_contain_text("cancelled", timeout=slow)
    answering.delay_s = 0.0
    page.reload()
    page.get_by_role("button", name="Go on with it").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(watched.locator("h2")).to_contain_text(re.compile("queued|running"))
    expect(watched.locator("h2")).to_contain_text("completed", timeout=slow)
    expect(watched.locator("svg")).to_have_count(2)
    expect(page.locator("#cx-list")).to_contain_text("completed")
    with page.context.expect_page() as opened:
        watched.get_by_text("validation report").click()
    expect(opened.value.locator("h1")).to_be_visible()
    assert errors == []
