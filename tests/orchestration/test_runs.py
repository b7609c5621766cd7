"""Flows of stand-in stages against a real Prefect server."""

import logging
import os
import socket
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import pytest

from camelx.errors import AgentError, DataValidationError
from camelx.orchestration.server import PrefectServer
from camelx.runtime import progress
from camelx.schemas import CycleStatus, Stage, StageReport

log = logging.getLogger("camelx.test")


def work(cycle_id: str) -> StageReport:
    """A stage."""
    progress.report(progress.Progress(cycle_id, Stage.RANK, 3, 4, "votes"))
    return StageReport(
        cycle_id=cycle_id,
        stage=Stage.RANK,
        counts={"votes": 1234},
        details={"html": "/somewhere/report.html", "judges": [{"judge": "a"}]},
    )


class Opened:
    """Stands in for the cycles' database."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []

    def open_cycle(self, config: str, **options: Any) -> str:
        self.calls.append(options)
        return options.get("cycle_id") or "c7"

    def close_cycle(self, cycle_id: str, **fields: Any) -> None:
        self.closed.append({"cycle_id": cycle_id} | fields)


@pytest.fixture
def opened_cycles() -> Opened:
    return Opened()


def _run(server: PrefectServer, cycles: Opened, stage: Any, **policy: Any) -> Any:
    """Run a flow that opens a cycle and calls the stage."""
    from prefect import flow, task

    from camelx.orchestration import publishing, runs

    opening = task(publishing.opened(cycles.open_cycle), name="open-cycle")
    staging = task(publishing.published(stage), name="mutual-rank", **policy)
    close = publishing.closing(cycles.close_cycle)

    @flow(name="test", on_completion=[close], on_failure=[close], on_crashed=[close])
    def entry() -> StageReport:
        return staging(opening("some.yaml"))

    sys.modules[__name__].entry = entry  # type: ignore[attr-defined]
    return runs.run_flow(f"{__name__}.entry", {}, server)


def _client(server: PrefectServer) -> Any:
    from prefect.client.orchestration import SyncPrefectClient

    return SyncPrefectClient(server.api_url)


def _latest_run(client: Any) -> Any:
    from prefect.client.schemas.sorting import FlowRunSort

    return client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]


def test_a_run_and_its_tasks_can_be_looked_at_afterwards(
    server: PrefectServer, opened_cycles: Opened
) -> None:
    from prefect.client.schemas.filters import FlowRunFilter

    report = _run(server, opened_cycles, work)
    assert report.counts == {"votes": 1234}
    with _client(server) as client:
        run = _latest_run(client)
        assert (run.name, run.state.name, run.labels["camelx.cycle"]) == ("cycle c7", "Completed", "c7")
        only = FlowRunFilter.model_validate({"id": {"any_": [run.id]}})
        tasks = client.read_task_runs(flow_run_filter=only)
        assert {task.name.rsplit("-", 1)[0]: task.state.name for task in tasks} == {
            "open-cycle": "Completed",
            "mutual-rank": "Completed",
        }
        artifacts = {a.key: a for a in client.read_artifacts(flow_run_filter=only)}
    assert artifacts["mutual-rank-progress"].data == 75.0
    assert "1,234" in artifacts["mutual-rank-counts"].data
    assert "# mutual-rank" in artifacts["mutual-rank-report"].data
    assert "file:///somewhere/report.html" in artifacts["mutual-rank-html"].data
    assert opened_cycles.closed[0]["status"] is CycleStatus.COMPLETED
    assert opened_cycles.closed[0]["error"] is None
    assert opened_cycles.closed[0]["seconds"] > 0


def test_a_failed_task_fails_the_flow_and_closes_the_cycle_with_camelx_own_words(
    server: PrefectServer, opened_cycles: Opened
) -> None:
    def fail(cycle_id: str) -> StageReport:
        raise DataValidationError("pairs file has 0 rows")

    with pytest.raises(DataValidationError, match="0 rows"):
        _run(server, opened_cycles, fail)
    (closed,) = opened_cycles.closed
    assert (closed["status"], closed["error"]) == (CycleStatus.FAILED, "pairs file has 0 rows")


def test_a_run_begun_anew_goes_on_with_its_cycle_and_is_charged_its_own_time(
    server: PrefectServer, opened_cycles: Opened
) -> None:
    from prefect.flow_engine import run_flow
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import AwaitingRetry

    def fail(cycle_id: str) -> StageReport:
        raise DataValidationError("pairs file has 0 rows")

    with pytest.raises(DataValidationError):
        _run(server, opened_cycles, fail)
    with _client(server) as client, temporary_settings({PREFECT_API_URL: server.api_url}):
        run = _latest_run(client)
        client.set_flow_run_state(run.id, AwaitingRetry(), force=True)  # as the UI's Retry does
        began = time.time()
        with pytest.raises(DataValidationError):
            run_flow(sys.modules[__name__].entry, flow_run=client.read_flow_run(run.id))
        assert client.read_flow_run(run.id).start_time == run.start_time
    assert [call.get("cycle_id") for call in opened_cycles.calls] == [None, "c7"]
    assert 0 < opened_cycles.closed[1]["seconds"] <= time.time() - began


def test_ctrl_c_closes_the_cycle_as_cancelled(server: PrefectServer, opened_cycles: Opened) -> None:
    def interrupt(cycle_id: str) -> StageReport:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(server, opened_cycles, interrupt)
    assert opened_cycles.closed[0]["status"] is CycleStatus.CANCELLED
    with _client(server) as client:
        assert _latest_run(client).state.name == "Crashed"


@pytest.mark.parametrize(("retryable", "n_calls"), [(True, 3), (False, 1)])
def test_only_an_error_that_may_pass_is_tried_again(
    server: PrefectServer, opened_cycles: Opened, retryable: bool, n_calls: int
) -> None:
    from camelx.orchestration.publishing import is_retryable

    calls = []

    def away(cycle_id: str) -> StageReport:
        calls.append(cycle_id)
        raise AgentError("server away", retryable=retryable)

    with pytest.raises(AgentError):
        _run(server, opened_cycles, away, retries=2, retry_delay_seconds=0, retry_condition_fn=is_retryable)
    assert len(calls) == n_calls


def test_a_run_whose_process_is_gone_is_set_to_crashed(server: PrefectServer) -> None:
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Running

    from camelx.orchestration.publishing import HOST_LABEL, PID_LABEL
    from camelx.orchestration.runs import crash_orphans

    @flow(name="left")
    def left() -> None:
        """Never runs here."""

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with _client(server) as client, temporary_settings({PREFECT_API_URL: server.api_url}):
        crash_orphans()  # what earlier tests left
        runs = {pid: client.create_flow_run(left, state=Running()) for pid in (gone.pid, os.getpid())}
        for pid, run in runs.items():
            client.update_flow_run_labels(run.id, {HOST_LABEL: socket.gethostname(), PID_LABEL: pid})
        assert crash_orphans() == [runs[gone.pid].name]
        states = {pid: client.read_flow_run(UUID(str(run.id))).state.name for pid, run in runs.items()}
        assert states == {gone.pid: "Crashed", os.getpid(): "Running"}
        client.delete_flow_run(runs[os.getpid()].id)


def test_runs_of_a_worker_that_stops_are_interrupted_and_give_their_slots_back(
    server: PrefectServer,
) -> None:
    import psutil
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Pending

    from camelx.orchestration.runs import crash_orphans, interrupt_runs

    @flow(name="under way")
    def under_way() -> None:
        """Never runs here."""

    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    print('up', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('closed')"
    )
    child, other = (
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    with _client(server) as client, temporary_settings({PREFECT_API_URL: server.api_url}):
        crash_orphans()  # what earlier tests left
        runs = {}
        for process in (child, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            run = client.create_flow_run(under_way, state=Pending())
            # As a worker does; the flow itself has not said anything yet.
            client.update_flow_run(run.id, infrastructure_pid=str(process.pid))
            runs[process.pid] = run
        interrupt_runs({child.pid, 1})
        assert child.communicate()[0] == "closed\n"
        assert psutil.pid_exists(other.pid)
        assert crash_orphans() == []  # the number may be that of a process on another machine
        assert crash_orphans({child.pid, other.pid}) == [runs[child.pid].name]
        other.kill()
        other.communicate()
        assert crash_orphans({other.pid}) == [runs[other.pid].name]


def test_outside_a_run_a_published_stage_is_the_stage() -> None:
    from camelx.orchestration.publishing import opened, published

    assert published(work)("c1").counts == {"votes": 1234}
    assert opened(Opened().open_cycle)("x.yaml", cycle_id="c3") == "c3"
