"""Runs a flow in this process against a server, and tidies up after runs whose process was killed."""

from __future__ import annotations

import importlib
import logging
import math
import signal
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
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


def crash_orphans(children: Collection[int] = ()) -> list[str]:
    """Set flow runs of this machine to Crashed whose process is gone, and return their names.

    After kill -9 nobody else does: such a run would stay Running for ever and keep its slot. `children` are
    processes that a worker of this machine started: a run names its machine only once its flow has begun.
    """
    with get_client(sync_client=True) as client:
        orphans = [run for run in _begun_runs(client) if _is_orphan(run, children)]
        for run in orphans:
            message = f"process {_process_of(run, children)} ended without a word"
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            log.warning("flow run %r was still marked running: %s", run.name, message)
    return [run.name for run in orphans]


def interrupt_runs(children: Collection[int], timeout_s: float = 30.0) -> None:
    """Stop the flows that run in these processes as Ctrl-C does, so that each closes its cycle.

    Args:
        children: Ids of the processes that a worker started.
        timeout_s: How long they may take.
    """
    with get_client(sync_client=True) as client:
        pids = {pid for run in _begun_runs(client) if (pid := _process_of(run, children)) in children}
    flows = [psutil.Process(pid) for pid in pids if pid is not None and psutil.pid_exists(pid)]
    for flow in flows:
        with suppress(psutil.NoSuchProcess):
            flow.send_signal(signal.SIGINT)
    psutil.wait_procs(flows, timeout=timeout_s)


def _begun_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Return the runs that hold a slot of their deployment."""
    types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    begun = FlowRunFilter.model_validate({"state": {"type": {"any_": types}}})
    return list(client.read_flow_runs(flow_run_filter=begun))


def _process_of(run: FlowRun, children: Collection[int]) -> int | None:
    """Return the run's process on this machine: what it said itself, else what the children's worker said."""
    host, pid = run.labels.get(HOST_LABEL), run.labels.get(PID_LABEL)
    if host is None:
        started = run.infrastructure_pid or ""
        return int(started) if started.isdigit() and int(started) in children else None
    return pid if host == socket.gethostname() and isinstance(pid, int) else None


def _is_orphan(run: FlowRun, children: Collection[int]) -> bool:
    pid, began = _process_of(run, children), run.start_time
    if pid is None:
        return False
    try:
        # A process that is younger than the run has only the same number; a run may wait for its process.
        return bool(psutil.Process(pid).create_time() > (began.timestamp() if began else math.inf))
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # somebody else's process, so it is there
        return False
