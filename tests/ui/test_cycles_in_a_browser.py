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


def test_a_person_starts_a_cycle_cancels_it_goes_on_and_watches_it_end(
    app: str,
    tab: Any,
    answering: CountingServer,  # noqa: F811
) -> None:
    from playwright.sync_api import expect

    slow = 500_000
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    answering.delay_s = 0.3
    tab.goto(f"{app}/cycles")
    expect(tab.locator("#cx-list")).to_contain_text("No cycle yet")
    tab.get_by_label("Overrides").fill("goals.m=3")
    expect(tab.get_by_text("goals.m: unknown key")).to_be_visible(timeout=60_000)
    tab.get_by_label("Overrides").fill("goals.n=6")
    expect(tab.get_by_text("This can be started.")).to_be_visible(timeout=60_000)
    tab.locator("#cx-start").click()
    watched = tab.locator("#cx-watched")
    expect(watched.locator("h2")).to_contain_text("Cycle c1")
    expect(watched.locator("h2")).to_contain_text("running", timeout=slow)
    expect(watched).to_contain_text(re.compile(r"\d+ of \d+ interactions"), timeout=slow)

    tab.get_by_role("button", name="Cancel this cycle").click()
    tab.get_by_role("button", name="Yes, cancel it").click()
    expect(watched.locator("h2")).to_contain_text("cancelled", timeout=slow)
    answering.delay_s = 0.0
    tab.reload()
    tab.get_by_role("button", name="Go on with it").click()
    tab.get_by_role("button", name="Yes, go on").click()
    expect(watched.locator("h2")).to_contain_text(re.compile("queued|running"))
    expect(watched.locator("h2")).to_contain_text("completed", timeout=slow)
    expect(watched.locator("svg")).to_have_count(2)
    expect(tab.locator("#cx-list")).to_contain_text("completed")
    with tab.context.expect_page() as opened:
        watched.get_by_text("validation report").click()
    expect(opened.value.locator("h1")).to_be_visible()
    assert errors == []
