"""Runs of the deployed flow: started for a worker, looked at, cancelled. Called by `control` alone.

Every call opens a client of its own, with a bound on time: the server may be away, and then says so soon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelled, Cancelling

from camelx.errors import OrchestrationError

DEPLOYMENT = "self-improvement/nightly"
"""What prefect.yaml deploys."""
_TIMEOUT_S = 10.0


def has_worker(url: str) -> bool:
    """Whether the flow is deployed at the server and a worker of its pool is online.

    Raises:
        OrchestrationError: The server does not answer.
    """
    with _client(url, "looking for a worker") as client:
        try:
            pool = client.read_deployment_by_name(DEPLOYMENT).work_pool_name
        except ObjectNotFound:
            return False
        workers = client.read_workers_for_work_pool(pool) if pool else []
        return any(worker.status is WorkerStatus.ONLINE for worker in workers)


def start_run(url: str, name: str, parameters: Mapping[str, Any]) -> str:
    """Let a worker run the deployed flow with these parameters, and return the run's id.

    Raises:
        OrchestrationError: The server does not answer, or refuses.
    """
    with _client(url, "starting a run") as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        _free_slots(client, deployment.id)
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters=dict(parameters), name=name, tags=["app"]
        )
        return str(run.id)


def _free_slots(client: SyncPrefectClient, deployment_id: UUID) -> None:
    """Give back the slots of runs that are being cancelled: their cycles are closed, or none could start.

    A worker takes some twenty seconds to say that a run it stopped is over, and until then the deployment
    would refuse the next one.
    """
    cancelling = FlowRunFilter.model_validate(
        {
            "deployment_id": {"any_": [deployment_id]},
            "state": {"type": {"any_": [StateType.CANCELLING]}},
        }
    )
    for run in client.read_flow_runs(flow_run_filter=cancelling):
        client.set_flow_run_state(run.id, Cancelled(), force=True)


def is_deployed(url: str, flow_run_id: str) -> bool:
    """Whether a worker runs it, not a command.

    Raises:
        OrchestrationError: The server does not answer.
    """
    run = _run(url, flow_run_id)
    return run is not None and run.deployment_id is not None


def cancel_run(url: str, flow_run_id: str) -> None:
    """Ask the worker to stop a run; one that waits is cancelled at once.

    Raises:
        OrchestrationError: The server does not answer.
    """
    with _client(url, "cancelling a run") as client:
        run = client.read_flow_run(UUID(flow_run_id))
        if run.state is None or run.state.is_final():
            return
        waits = run.state.is_scheduled()
        client.set_flow_run_state(run.id, Cancelled() if waits else Cancelling(), force=waits)


def how_it_ended(url: str, flow_run_id: str) -> str | None:
    """Return how a run ended, such as "Cancelled: ..."; None: it did not, or the server knows no such run.

    Raises:
        OrchestrationError: The server does not answer.
    """
    run = _run(url, flow_run_id)
    if run is None or run.state is None or not run.state.is_final():
        return None
    return f"{run.state.name}: {run.state.message or 'no reason given'}"


def _run(url: str, flow_run_id: str) -> FlowRun | None:
    with _client(url, "looking at a run") as client:
        try:
            return client.read_flow_run(UUID(flow_run_id))
        except ObjectNotFound:
            return None


@contextmanager
def _client(url: str, what: str) -> Iterator[SyncPrefectClient]:
    try:
        with SyncPrefectClient(url, httpx_settings={"timeout": _TIMEOUT_S}) as client:
            yield client
    except (httpx.HTTPError, PrefectException) as e:
        raise OrchestrationError(f"{what} at the Prefect server {url} failed: {type(e).__name__}: {e}") from e
