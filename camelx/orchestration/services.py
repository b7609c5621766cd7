"""Keeps what a schedule needs up: Prefect server and UI, a worker with the deployment, and the MLflow UI.

Called by `camelx serve`, which stays until Ctrl-C.
"""

from __future__ import annotations

import logging
import os
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
from camelx.orchestration.server import (
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
def services(settings: Settings, *, mlflow_port: int, project: Path) -> Iterator[Services]:
    """Start what is not up yet, deploy `project`/prefect.yaml, and stop what was started at the end.

    Raises:
        OrchestrationError: A port is taken by another program, or a service ended as it started.
    """
    set_prefect_home(settings)
    url = os.environ.get("PREFECT_API_URL") or api_url(settings.prefect_port)
    if not answers(url):
        _require_free(settings.prefect_port, "the Prefect server", "CAMELX_PREFECT_PORT")
    mlflow_url = settings.resolved_mlflow_uri
    is_mlflow_up = mlflow_url.startswith(("http://", "https://"))
    if not is_mlflow_up:
        _require_free(mlflow_port, "the MLflow UI", "--mlflow-port")
    with ExitStack() as stack:
        processes = []
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
        worker = _start_worker(settings, project)
        stack.callback(_stop_worker, worker, url)
        processes.append(worker)
        yield Services(url.removesuffix("/api"), without_password(mlflow_url), tuple(processes))


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


def _require_free(port: int, what: str, option: str) -> None:
    if not is_free(port):
        raise OrchestrationError(
            f"port {port} for {what} is taken by another program; stop that, or choose another with {option}"
        )
