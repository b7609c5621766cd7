"""Keeps all of one machine up: the app, Prefect server and UI, a worker with the deployment, the MLflow UI.

Called by `camelx up`, which stays until Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from camelx.config import Settings, without_password
from camelx.errors import OrchestrationError
from camelx.orchestration.attached import AttachedProcess, start_attached
from camelx.orchestration.detached import environment_of
from camelx.orchestration.server import (
    START_TIMEOUT_S,
    answers,
    api_url,
    is_free,
    run_prefect,
    set_prefect_home,
    start_server,
)

log = logging.getLogger(__name__)

POOL = "camelx"


@dataclass(frozen=True)
class Services:
    """What is up, and where."""

    prefect_url: str
    mlflow_url: str
    app_url: str | None
    processes: tuple[AttachedProcess, ...]

    def wait(self) -> None:
        """Return when one of the processes ends.

        Raises:
            OrchestrationError: Always: it names the process and the end of its log.
        """
        while all(process.is_running for process in self.processes):
            time.sleep(0.5)
        ended = next(process for process in self.processes if not process.is_running)
        raise OrchestrationError(f"{ended.name} ended; the end of {ended.log}:\n{ended.last_lines()}")


@contextmanager
def services(
    settings: Settings, *, mlflow_port: int, project: Path, with_app: bool = True
) -> Iterator[Services]:
    """Start what is not up yet, deploy `project`/prefect.yaml, and stop what was started at the end.

    Args:
        settings: Of all parts; the app listens on their host and port.
        mlflow_port: Port of the MLflow UI.
        project: Folder with prefect.yaml.
        with_app: False: only what a schedule needs.

    Raises:
        OrchestrationError: A port is taken by another program, or a service ended as it started.
    """
    set_prefect_home(settings)
    url = os.environ.get("PREFECT_API_URL") or api_url(settings.prefect_port)
    is_mlflow_up = settings.resolved_mlflow_uri.startswith(("http://", "https://"))
    if with_app:
        _require_free(settings.port, "the app", "--port")
    if not answers(url):
        _require_free(settings.prefect_port, "the Prefect server", "CAMELX_PREFECT_PORT")
    if not is_mlflow_up:
        _require_free(mlflow_port, "the MLflow UI", "--mlflow-port")
    with ExitStack() as stack:
        processes = []
        mlflow_url = settings.resolved_mlflow_uri
        if not is_mlflow_up:
            mlflow_url = f"http://127.0.0.1:{mlflow_port}"
            mlflow = _start_mlflow(settings, mlflow_port)
            stack.callback(mlflow.stop)
            processes.append(mlflow)
        if not answers(url):
            url = api_url(settings.prefect_port)
            server = start_server(settings, settings.prefect_port, for_one_run=False)
            assert server.process is not None
            stack.callback(server.process.stop)
            processes.append(server.process)
            server.wait()
        os.environ["PREFECT_API_URL"] = url
        _crash_orphans(url)
        deploy(project)
        shown = Services(url.removesuffix("/api"), without_password(mlflow_url), None, ())
        if with_app:
            app = _start_app(settings, shown)
            stack.callback(_stop_app, app)
            processes.append(app)
        worker = _start_worker(settings, project)
        stack.callback(_stop_worker, worker, url)
        processes.append(worker)
        app_url = f"http://{host_and_port(_reachable(settings.host), settings.port)}" if with_app else None
        if with_app:
            _wait_for_app(app, settings)
        yield Services(shown.prefect_url, shown.mlflow_url, app_url, tuple(processes))


def deploy(project: Path) -> None:
    """Make the work pool if need be, and every deployment of `project`/prefect.yaml.

    Raises:
        OrchestrationError: Prefect refused; the message holds what it said.
    """
    run_prefect("work-pool", "create", POOL, "--type", "process", "--overwrite", folder=project)
    run_prefect("--no-prompt", "deploy", "--all", folder=project)


def _start_worker(settings: Settings, project: Path) -> AttachedProcess:
    return start_attached(
        "Prefect worker",
        *("prefect", "worker", "start", "--pool", POOL, "--type", "process"),
        environment={"PYTHONPATH": os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])},
        log=settings.data_dir / "prefect" / "worker.log",
    )


def _stop_worker(worker: AttachedProcess, url: str) -> None:
    """Stop the worker's runs as Ctrl-C does, then the worker, and leave no run that holds a slot."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from camelx.orchestration.runs import interrupt_runs

    try:
        children = psutil.Process(worker.popen.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    try:
        with temporary_settings({PREFECT_API_URL: url}), _not_fatal():
            interrupt_runs({child.pid for child in children})
    finally:
        worker.stop()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=5)
        _crash_orphans(url, {child.pid for child in children})


def _crash_orphans(url: str, children: Collection[int] = ()) -> None:
    """Free the slots of runs whose process is gone: the deployment would refuse every other run."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from camelx.orchestration.runs import crash_orphans

    with temporary_settings({PREFECT_API_URL: url}), _not_fatal():
        crash_orphans(children)


@contextmanager
def _not_fatal() -> Iterator[None]:
    """The server may be what ended; a run that is left is tidied up at the next start."""
    from prefect.exceptions import PrefectException

    try:
        yield
    except (httpx.HTTPError, PrefectException) as e:
        log.warning("the Prefect server did not answer about its runs: %s", e)


def _start_mlflow(settings: Settings, port: int) -> AttachedProcess:
    settings.mlruns_dir.mkdir(parents=True, exist_ok=True)
    return start_attached(
        "MLflow UI",
        *("mlflow", "server", "--backend-store-uri", settings.resolved_mlflow_uri),
        *("--default-artifact-root", str(settings.mlruns_dir / "artifacts")),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        # A dozen job processes for online scoring, which nobody here asks for.
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        log=settings.data_dir / "mlflow-ui.log",
    )


def _start_app(settings: Settings, others: Services) -> AttachedProcess:
    host = ("--host", settings.host, "--port", str(settings.port))
    return start_attached(
        "camelx app",
        *("camelx", "serve", *host),
        environment=environment_of(settings)
        | {
            "CAMELX_PREFECT_UI_URL": settings.prefect_ui_url or others.prefect_url,
            "CAMELX_MLFLOW_UI_URL": settings.mlflow_ui_url or others.mlflow_url,
        },
        log=settings.data_dir / "app.log",
    )


def _wait_for_app(app: AttachedProcess, settings: Settings) -> None:
    """Return as soon as the app takes connections; a first start compiles and imports much."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if not app.is_running:
            raise OrchestrationError(
                f"the app ended while it started; the end of {app.log}:\n{app.last_lines()}"
            )
        with suppress(OSError), socket.create_connection((_reachable(settings.host), settings.port), 1):
            return
        if time.monotonic() > deadline:
            raise OrchestrationError(
                f"the app did not listen on {settings.port} within {START_TIMEOUT_S:.0f} s; see {app.log}"
            )
        time.sleep(0.2)


def _stop_app(app: AttachedProcess) -> None:
    """Stop the app, and before it the cycles that it gave processes of their own: each is closed."""
    try:
        children = psutil.Process(app.popen.pid).children()
    except psutil.NoSuchProcess:
        children = []
    cycles = [child for child in children if _leads_a_session(child.pid)]
    for cycle in cycles:
        with suppress(psutil.NoSuchProcess):
            cycle.send_signal(signal.SIGINT)
    psutil.wait_procs(cycles, timeout=30)
    app.stop()


def _leads_a_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def host_and_port(host: str, port: int) -> str:
    """Return both as an address has them: IPv6's own colons in brackets.

    Examples:
        >>> host_and_port("127.0.0.1", 7860), host_and_port("::1", 7860)
        ('127.0.0.1:7860', '[::1]:7860')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host


def _require_free(port: int, what: str, option: str) -> None:
    if not is_free(port):
        taken = who_listens(port) or "another program"
        raise OrchestrationError(
            f"port {port} for {what} is taken by {taken}; stop that, or choose another with {option}"
        )


def who_listens(port: int) -> str | None:
    """Return who listens on a port: name and number where the system tells them; None: nobody is seen."""
    try:
        found = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return "another program"
    here = [c for c in found if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN]
    for pid in {c.pid for c in here if c.pid is not None}:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            return f"{psutil.Process(pid).name()} (process {pid})"
    return "another program" if here else None
