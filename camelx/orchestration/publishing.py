"""Makes Prefect tasks of stages: what a person sees of a stage in the Prefect UI.

`published` wraps a stage for `task(...)`: while it runs, a progress artifact follows its reports; when it
is done, a table, a page and links stand beside it. `opened` wraps the opening of a cycle and marks the
flow run with the cycle's id, by which `closing` (a flow hook) and a retry from the UI find the cycle.
Outside a Prefect run both call the function and do nothing else.
"""

from __future__ import annotations

import contextvars
import functools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run, task_run

from camelx.config import settings
from camelx.errors import AgentError, CamelxError
from camelx.pages import escaped
from camelx.runtime import progress
from camelx.schemas import CycleStatus, Stage, StageReport

log = logging.getLogger(__name__)
P = ParamSpec("P")

CYCLE_LABEL, HOST_LABEL, PID_LABEL = "camelx.cycle", "camelx.host", "camelx.pid"
BEGAN_LABEL = "camelx.began"
"""Unix time at which the run was begun, or begun anew: Prefect's own start time stays that of the first."""
_UPDATE_EVERY_S = 1.0
_IN_WORDS = {
    (Stage.EVALUATE, "promoted"): "passed the gate",
    (Stage.REGISTER, "promoted"): "put in use",
    (Stage.REGISTER, "compared_with"): "version compared with",
    (Stage.REGISTER, "in_use"): "version in use then",
}
"""What a page calls details whose keys would say too much or too little."""
_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\|[]`"})
_MAX_ROWS = 200
"""Rows of a list that a page shows; the database has them all."""

command_started: contextvars.ContextVar[datetime | None] = contextvars.ContextVar("started", default=None)
"""When the command began whose time the cycle is charged; None: with the opening of the cycle."""

recorded_task_runs: set[UUID] = set()
"""Task runs that this process began: a server that is about to stop must have stored them."""


def is_retryable(_task: Any, _task_run: Any, state: Any) -> bool:
    """Whether a failed stage may succeed if it is simply called again: a model server was not there."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, AgentError) and error.retryable


def published(stage: Callable[P, StageReport]) -> Callable[P, StageReport]:
    """Return the stage with its progress and its results shown as artifacts of the task run."""

    @functools.wraps(stage)
    def run(*args: P.args, **kwargs: P.kwargs) -> StageReport:
        if task_run.id is None:
            return stage(*args, **kwargs)
        recorded_task_runs.add(UUID(task_run.id))
        with _progress_artifact() as follower:
            report = stage(*args, **kwargs)
            if follower.newest is None:  # a stage without steps, or one that was done before
                progress.report(progress.Progress(report.cycle_id, str(report.stage), 1, 1, "stage"))
        with _not_fatal("artifacts"):
            _publish(report)
        return report

    return run


def opened(open_cycle: Callable[..., str]) -> Callable[..., str]:
    """Return `open_cycle` that marks the flow run; a retry of a marked run goes on with its cycle."""

    @functools.wraps(open_cycle)
    def run(config: str, **options: Any) -> str:
        if task_run.id is None:
            return open_cycle(config, **options)
        # Prefect sends the logs of this logger to the run, but only once its own level is set.
        logging.getLogger("camelx").setLevel(settings().log_level)
        recorded_task_runs.add(UUID(task_run.id))
        run_id = UUID(flow_run.id)
        _label(run_id, {HOST_LABEL: socket.gethostname(), PID_LABEL: os.getpid(), BEGAN_LABEL: time.time()})
        begun = cycle_of(run_id)
        options = {"cycle_id": begun} if begun else options
        # Prefect hands over the defaults of all parameters too.
        cycle_id = open_cycle(config, **options | {"flow_run_id": str(run_id)})
        _label(run_id, {CYCLE_LABEL: cycle_id})
        progress.report(progress.Progress(cycle_id, "open-cycle", 0, 0))  # whose cycle: nothing to show
        return cycle_id

    return run


def closing(close_cycle: Callable[..., object]) -> Callable[[Any, Any, Any], None]:
    """Return a flow hook that records how the run's cycle ended.

    A run that was started for a queued cycle and did not come to open it closes it too, if it still waits.
    """

    # The names of the parameters are Prefect's: a worker calls the hook by them.
    def hook(flow: Any, flow_run: Any, state: Any) -> None:
        labels = _labels(flow_run.id)
        opened_cycle, asked = labels.get(CYCLE_LABEL), flow_run.parameters or {}
        queued = asked.get("cycle_id") if asked.get("queued_only") else None
        if not opened_cycle and not queued:
            return
        only = {} if opened_cycle else {"was": [CycleStatus.QUEUED]}
        command = command_started.get()
        began = command.timestamp() if command else float(labels.get(BEGAN_LABEL, time.time()))
        error = None if state.is_completed() else _reason(state)
        status = (
            CycleStatus.COMPLETED
            if state.is_completed()
            else CycleStatus.FAILED
            if state.is_failed()
            else CycleStatus.CANCELLED
        )
        # A worker that stopped the run calls this in another process; the stages have charged their time.
        is_ours = labels.get(PID_LABEL, os.getpid()) == os.getpid()
        seconds = max(0.0, time.time() - began) if is_ours else None  # a clock may be set back
        close_cycle(
            str(opened_cycle or queued),
            status=status,
            seconds=seconds,
            error=error,
            flow_run_id=str(flow_run.id),
            **only,
        )

    return hook


def cycle_of(flow_run_id: UUID) -> str | None:
    """Return the cycle that a flow run opened; None: it did not come so far."""
    label = _labels(flow_run_id).get(CYCLE_LABEL)
    return str(label) if label else None


def _labels(flow_run_id: UUID) -> Mapping[str, Any]:
    with get_client(sync_client=True) as client:
        return dict(client.read_flow_run(flow_run_id).labels)


def _label(flow_run_id: UUID, labels: Mapping[str, Any]) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(flow_run_id, dict(labels))
        if cycle_id := labels.get(CYCLE_LABEL):
            client.update_flow_run(flow_run_id, name=f"cycle {cycle_id}")


def _reason(state: Any) -> str:
    """Return why a run did not complete: camelx's own words where an error of its own ended it."""
    result = state.result(raise_on_failure=False) if state.is_failed() else None
    return str(result) if isinstance(result, CamelxError) else state.message or "no reason given"


@contextmanager
def _not_fatal(what: str) -> Iterator[None]:
    """A page in the UI is not worth a stage: say that it is missing and go on."""
    try:
        yield
    except (httpx.HTTPError, PrefectException) as e:
        log.warning("the Prefect server did not take the %s: %s", what, e)


@contextmanager
def _progress_artifact() -> Iterator[_ProgressFollower]:
    """Show the reports made inside the block as a progress artifact, at most one a second."""
    follower = _ProgressFollower(f"{task_run.task_name}-progress")
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(follower.run,), daemon=True)
    thread.start()
    try:
        with progress.listening(follower.listen):
            yield follower
    finally:
        follower.is_over.set()
        thread.join()


class _ProgressFollower:
    """Sends the newest report from a thread of its own, so that no stage waits for the server."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.newest: progress.Progress | None = None
        self.is_over = threading.Event()

    def listen(self, report: progress.Progress) -> None:
        self.newest = report

    def run(self) -> None:
        artifact_id: UUID | None = None
        sent: progress.Progress | None = None
        is_last = False
        while not is_last:
            is_last = self.is_over.wait(_UPDATE_EVERY_S)
            report = self.newest
            if report is None or report == sent:
                continue
            with _not_fatal("progress"):
                artifact_id = self._send(artifact_id, report)
            sent = report

    def _send(self, artifact_id: UUID | None, report: progress.Progress) -> UUID | None:
        percent = round(100 * report.done / max(report.total, 1), 1)
        text = f"{report.done:,} of {report.total:,} {report.unit} of cycle {report.cycle_id}"
        if artifact_id is None:
            artifact_id = create_progress_artifact(progress=percent, key=self.key, description=text)
        else:
            update_progress_artifact(artifact_id, progress=percent, description=text)
        return artifact_id


def _publish(report: StageReport) -> None:
    stage, title = str(report.stage), f"{report.stage} of cycle {report.cycle_id}"
    create_table_artifact(
        table=[{"what": what, "n": f"{n:,}"} for what, n in report.counts.items()]
        or [{"what": "seconds", "n": f"{report.seconds:.1f}"}],
        key=f"{stage}-counts",
        description=title,
    )
    create_markdown_artifact(stage_page(report), key=f"{stage}-report", description=title)
    for what, link in _links(report.details):
        create_link_artifact(
            link, link_text=f"{what} of cycle {report.cycle_id}", key=f"{stage}-{what}".replace("_", "-")
        )


def stage_page(report: StageReport) -> str:
    """Return a stage's report as a page of markdown."""
    lines = [
        f"# {report.stage}",
        "",
        f"Cycle {report.cycle_id}: {report.status} in {report.seconds:.1f} s, "
        f"of which {report.model_seconds:.1f} s in a model; {report.n_model_calls:,} model calls.",
        "",
    ]
    if report.counts:
        lines += ["| what | n |", "|---|---:|", *(f"| {k} | {n:,} |" for k, n in report.counts.items()), ""]
    for key, value in report.details.items():
        what = _IN_WORDS.get((report.stage, key), key)
        if isinstance(value, dict):
            lines += ["", f"## {what}", "", *_table([{"what": k, "value": v} for k, v in value.items()]), ""]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += ["", f"## {what}", "", *_table(value[:_MAX_ROWS]), ""]
        else:
            lines += [f"- **{what}**: {_cell(value)}"]
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return records as the lines of a markdown table, with a column for each key of any of them."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = ["| " + " | ".join(map(_cell, columns)) + " |", "|" + "---|" * len(columns)]
    return head + ["| " + " | ".join(_cell(row.get(key, "")) for key in columns) + " |" for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    # What a model or a file brought is no markup: no tag, no link, no image that a browser would fetch.
    return escaped(" ".join(str(value).split())).translate(_MARKDOWN)


def _links(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for what, value in details.items():
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            yield what, value
        elif isinstance(value, str) and value.endswith(".html"):
            yield what, Path(value).resolve().as_uri()
