"""Runs a flow in this process against a server, and tidies up after runs whose process was killed."""

from __future__ import annotations

import importlib
import logging
import socket
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter, TaskRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Crashed

from camelx.orchestration.publishing import HOST_LABEL, PID_LABEL, command_started, recorded_task_runs
from camelx.orchestration.server import PrefectServer

log = logging.getLogger(__name__)

_STORED_WITHIN_S = 20.0


def run_flow(
    entrypoint: str, parameters: Mapping[str, Any], server: PrefectServer, *, started: datetime | None = None
) -> Any:
    """Run the flow in this process and return its result.

    Args:
        entrypoint: The flow as prefect.yaml names it: "package.module.function".
        parameters: Its parameters.
        server: A server that answers.
        started: When the command began, for the cycle's seconds; None: with the opening of the cycle.

    Raises:
        CamelxError: What the flow raised.
    """
    module, _, name = entrypoint.rpartition(".")
    # The heartbeat thread costs each flow a second at its end; `crash_orphans` does its work here.
    here = {PREFECT_API_URL: server.api_url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(here):
        flow = getattr(importlib.import_module(module), name)
        token = command_started.set(started)
        try:
            crash_orphans()
            return flow(**parameters)
        finally:
            command_started.reset(token)
            if server.process is not None:
                wait_until_stored()


def wait_until_stored() -> None:
    """Return once the server has stored the logs and the last state of all task runs of this process.

    Prefect sends both from background threads and stores them later still: a server that stops right
    after its flow loses them.
    """
    APILogHandler().flush()
    EventsWorker.drain_all()
    deadline = time.monotonic() + _STORED_WITHIN_S
    while missing := recorded_task_runs - _ended_task_runs():
        if time.monotonic() > deadline:
            log.warning("the Prefect server did not store %d task runs; its UI lacks them", len(missing))
            break
        time.sleep(0.1)
    recorded_task_runs.clear()


def _ended_task_runs() -> set[Any]:
    if not recorded_task_runs:
        return set()
    wanted = TaskRunFilter(id=TaskRunFilterId(any_=list(recorded_task_runs)))
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(task_run_filter=wanted)
    return {run.id for run in runs if run.state is not None and run.state.is_final()}


def crash_orphans() -> list[str]:
    """Set flow runs of this machine to Crashed whose process is gone, and return their names.

    After kill -9 nobody else does: such a run would stay Running for ever and keep its slot.
    """
    running = FlowRunFilter.model_validate({"state": {"type": {"any_": [StateType.RUNNING]}}})
    with get_client(sync_client=True) as client:
        orphans = [run for run in client.read_flow_runs(flow_run_filter=running) if _is_orphan(run)]
        for run in orphans:
            message = f"process {run.labels[PID_LABEL]} ended without a word"
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            log.warning("flow run %r was still marked running: %s", run.name, message)
    return [run.name for run in orphans]


def _is_orphan(run: FlowRun) -> bool:
    pid, began = run.labels.get(PID_LABEL), run.start_time
    if run.labels.get(HOST_LABEL) != socket.gethostname() or not isinstance(pid, int) or began is None:
        return False
    try:
        # A process that is younger than the run has only the same number.
        return bool(psutil.Process(pid).create_time() > began.timestamp())
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # somebody else's process, so it is there
        return False
