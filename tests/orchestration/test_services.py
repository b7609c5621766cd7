"""The schedule on real parts: server, deployment, worker."""

import shutil
import time
from pathlib import Path

import pytest

from camelx.config import Settings
from camelx.errors import OrchestrationError
from camelx.orchestration.server import is_free
from camelx.orchestration.services import host_and_port, services

ROOT = Path(__file__).parents[2]
TICK = """
from pathlib import Path

from prefect import flow


@flow(name="tick")
def tick() -> None:
    Path("ticked").touch()
"""
DEPLOYMENT = """
  - name: every-minute
    entrypoint: ticking.tick
    work_pool: {name: camelx}
    schedules:
      - cron: "* * * * *"
        active: true
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's own prefect.yaml, with a deployment beside it that runs every minute."""
    yaml = (ROOT / "prefect.yaml").read_text("utf-8")
    (tmp_path / "prefect.yaml").write_text(yaml + DEPLOYMENT)
    (tmp_path / "ticking.py").write_text(TICK)
    for folder in ("flows", "tasks", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.slow
def test_a_cron_schedule_creates_runs_and_a_worker_carries_them_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter

    monkeypatch.setenv("PREFECT_HOME", str(project / "home"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    port = _free_port()
    settings = Settings(root=project, prefect_port=_free_port())
    with services(settings, mlflow_port=port, project=project) as up:
        with SyncPrefectClient(f"{up.prefect_url}/api") as client:
            scheduled = FlowRunFilter.model_validate(
                {"state": {"type": {"any_": ["SCHEDULED", "COMPLETED"]}}}
            )
            deadline = time.monotonic() + 300
            names: set[str] = set()
            while time.monotonic() < deadline and not ((project / "ticked").exists() and len(names) == 2):
                runs = client.read_flow_runs(flow_run_filter=scheduled)
                names = {client.read_deployment(run.deployment_id).name for run in runs if run.deployment_id}
                time.sleep(1)
        assert names == {"nightly", "every-minute"}
        assert (project / "ticked").exists()
    assert is_free(port)


def test_a_taken_port_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with (
            pytest.raises(OrchestrationError, match=f"port {port} for the Prefect server is taken"),
            services(Settings(root=tmp_path, prefect_port=port), mlflow_port=0, project=tmp_path),
        ):
            pass


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_address_of_ipv6_has_its_brackets() -> None:
    assert host_and_port("::1", 7860) == "[::1]:7860"
    assert host_and_port("camelx.example", 7860) == "camelx.example:7860"
