"""The Prefect server of a run: the one that answers, or one that is started for the run's time.

Prefect's own ephemeral server loses most task runs, so that there is nothing to look at afterwards. The
server started here keeps its database in data/prefect; `camelx up` shows it later. Starting it takes
seconds, so it starts in the background before Prefect, torch and the rest are imported.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from camelx.config import Settings
from camelx.errors import OrchestrationError
from camelx.orchestration.attached import AttachedProcess, start_attached

START_TIMEOUT_S = 180.0
"""A first start migrates an empty database, which takes some 20 s on a slow machine."""

_HEAVY = ("prefect.flow_engine", "torch", "transformers", "camel.agents", "peft", "trl", "mlflow")
"""What a cycle imports sooner or later, in the order of need."""


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server that a run can use."""

    api_url: str
    process: AttachedProcess | None
    """None: somebody else runs it."""

    @property
    def ui_url(self) -> str:
        """Where a browser sees the runs."""
        return self.api_url.removesuffix("/api")

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return as soon as the server answers.

        Raises:
            OrchestrationError: It ended or did not answer within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not answers(self.api_url):
            if self.process is not None and not self.process.is_running:
                raise OrchestrationError(
                    f"the Prefect server ended while it started; the end of {self.process.log}:\n"
                    f"{self.process.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise OrchestrationError(
                    f"the Prefect server at {self.api_url} did not answer within {timeout_s:.0f} s"
                    + (f"; see {self.process.log}" if self.process else "")
                )
            time.sleep(0.1)


@contextmanager
def prefect_server(settings: Settings) -> Iterator[PrefectServer]:
    """Give the server that answers at PREFECT_API_URL or on the settings' port, else start one.

    The server given may still be starting: call its `wait`. PREFECT_API_URL is set inside the block. A
    server started here ends with the block, or with this process.

    Raises:
        OrchestrationError: PREFECT_API_URL is set and nothing answers there.
    """
    set_prefect_home(settings)
    named = os.environ.get("PREFECT_API_URL")
    url = named or api_url(settings.prefect_port)
    if answers(url):
        server = PrefectServer(url, None)
    elif named:
        raise OrchestrationError(
            f"no Prefect server answers at PREFECT_API_URL={named}; start it, or unset the variable and "
            "camelx starts one of its own"
        )
    else:
        server = start_server(settings, _free_port(settings.prefect_port), for_one_run=True)
    os.environ["PREFECT_API_URL"] = server.api_url
    try:
        yield server
    finally:
        if named is None:
            del os.environ["PREFECT_API_URL"]
        if server.process is not None:
            server.process.stop()


def set_prefect_home(settings: Settings) -> None:
    """Keep Prefect's database and profiles in data/prefect, unless PREFECT_HOME says otherwise."""
    home = settings.data_dir / "prefect"
    if os.environ.setdefault("PREFECT_HOME", str(home)) == str(home):
        home.mkdir(parents=True, exist_ok=True)  # Prefect makes the last folder alone, and warns


def upgrade_server_database(settings: Settings) -> str:
    """Bring the database of camelx's own Prefect server to its newest schema, and return where it is.

    A server does so at its first start, which takes some 13 s; after this a first cycle need not wait.

    Raises:
        OrchestrationError: Prefect could not; the message holds what it said.
    """
    set_prefect_home(settings)
    run_prefect("server", "database", "upgrade", "--yes")
    return os.environ["PREFECT_HOME"]


def run_prefect(*arguments: str, folder: Path | None = None) -> None:
    """Run a `prefect` command to its end, in `folder` where one is given.

    Raises:
        OrchestrationError: It failed; the message holds what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=folder,
        env={**os.environ, "PWD": str(folder or Path.cwd())},  # prefect.yaml names the folder by it
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise OrchestrationError(f"`prefect {' '.join(arguments)}` in {folder or Path.cwd()} failed:\n{said}")


def start_server(settings: Settings, port: int, *, for_one_run: bool) -> PrefectServer:
    """Start a Prefect server on the port of this machine; it answers seconds later.

    Args:
        settings: Say where its log goes.
        port: A free port.
        for_one_run: Leave out what only deployments need: schedules, late runs, automations.
    """
    environment = {
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": api_url(port),
        # Without it the UI talks to port 4200, wherever the server is.
        "PREFECT_SERVER_UI_API_URL": api_url(port),
    }
    if for_one_run:
        unneeded = ("SCHEDULER", "LATE_RUNS", "FOREMAN", "TRIGGERS", "PAUSE_EXPIRATIONS", "DB_VACUUM")
        environment |= {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in unneeded}
    process = start_attached(
        "Prefect server",
        *("uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--timeout-keep-alive", "5"),
        environment=environment,
        log=settings.data_dir / "prefect" / "server.log",
    )
    return PrefectServer(api_url(port), process)


def warm_up(server: PrefectServer) -> None:
    """Import what a cycle needs for as long as the server is still starting, then wait for it."""
    for name in _HEAVY:
        if answers(server.api_url):
            break
        if name not in sys.modules:
            importlib.import_module(name)
    server.wait()


def api_url(port: int) -> str:
    """Return the API address of a Prefect server on this machine."""
    return f"http://127.0.0.1:{port}/api"


def answers(url: str) -> bool:
    """Whether a Prefect API answers at the address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.read(16).strip() == b"true")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return False


def foreign_home(url: str, settings: Settings) -> str | None:
    """Return where the server of the address keeps its runs; None: in this project, or it does not say."""
    try:
        with urllib.request.urlopen(f"{url}/admin/settings", timeout=5) as response:
            home = json.loads(response.read()).get("home")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return None
    ours = os.environ.get("PREFECT_HOME") or settings.data_dir / "prefect"
    return str(home) if home and Path(home).resolve() != Path(ours).resolve() else None


def is_free(port: int) -> bool:
    """Whether a server can listen on the port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(wanted: int) -> int:
    """Return the wanted port, or any free one where something else listens on it."""
    if wanted and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
