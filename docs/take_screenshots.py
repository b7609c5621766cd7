"""Takes the screenshots of docs/screenshots: every page, desktop and phone, light and dark.

    make screenshots [ARGS="--root DIR"]

`--root` is a project folder with at least one completed cycle; without it a small cycle is run in a new one.
Needs Debian's Chromium. The pictures are there to be looked at: clipped text, raw JSON or an unreadable
colour is a bug.
"""

from __future__ import annotations

import argparse
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FOLDER = Path(__file__).parent / "screenshots"
PAGES = {
    "annotate": "/",
    "agreement": "/agreement",
    "cycles": "/cycles?cycle=c1",
    "interactions": "/interactions",
    "agents": "/agents",
    "models": "/models",
    "chat": "/chat",
}
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
LONGEST = 2_400
"""Pixels of a page that are kept."""


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--only", nargs="*", choices=PAGES, default=list(PAGES))
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as made,
        served(options.root or small_project(Path(made))) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in options.only:
            open_page(
                browser.new_page(), url, name, 15_000
            )  # what a page needs is imported at its first visit
        for name in options.only:
            take(browser, url, name)
        browser.close()


def small_project(root: Path) -> Path:
    """Run a small cycle in the folder and return it."""
    configs = Path(__file__).parents[1] / "configs"
    (root / "configs").symlink_to(configs.resolve())
    command = [sys.executable, "-m", "camelx", "cycle", "--goals", "40"]
    subprocess.run(command, env=os.environ | {"CAMELX_ROOT": str(root)}, cwd=root, check=True)
    return root


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Run the app on the project and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    app = subprocess.Popen(
        [sys.executable, "-m", "camelx", "serve", "--port", str(port)],
        env=os.environ
        | {"CAMELX_ROOT": str(root), "CAMELX_PROJECT": str(Path(__file__).resolve().parents[1])},
        cwd=root,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not answers(f"{url}/healthz"):
            if app.poll() is not None:
                sys.exit("the app ended while it started")
            time.sleep(0.2)
        yield url
    finally:
        app.terminate()
        app.wait()


def answers(url: str) -> bool:
    """Whether something answers at the address."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def open_page(page: Page, url: str, name: str, settle_ms: float) -> None:
    """Open a page, and wait: pages fill themselves once they are loaded."""
    page.goto(url + PAGES[name])
    page.wait_for_selector("main, .gradio-container", timeout=60_000)
    page.wait_for_timeout(settle_ms)


def take(browser: Browser, url: str, name: str) -> None:
    """Take one page's pictures."""
    for screen, (width, height) in SCREENS.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            open_page(page, url, name, 4_000)
            taken = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            taken = taken.crop((0, 0, taken.width, min(taken.height, LONGEST)))
            path = FOLDER / f"{name}-{screen}-{scheme}.png"
            taken.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(path, optimize=True)
            sys.stdout.write(f"{path.name}  {taken.width} x {taken.height}\n")
            context.close()


if __name__ == "__main__":
    main()
