"""`camelx serve` and `camelx up` as processes: taken ports, refusals, SIGTERM."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    log = (folder / "output").open("w")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "CAMELX_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "camelx", *arguments],
        cwd=folder,
        env=kept
        | {"CAMELX_ROOT": str(folder), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        | environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(folder: Path) -> str:
    return (folder / "output").read_text()


def wait_for(process: subprocess.Popen[str], folder: Path, url: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None, said(folder)[-3000:]
        assert time.monotonic() < deadline, said(folder)[-3000:]
        try:
            if httpx.get(url, timeout=5).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.2)


def test_a_taken_port_is_named_with_the_process_that_has_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for command in ("serve", "up"):
            process = start(tmp_path, command, "--port", port)
            assert process.wait(120) == 9
            name = f"{psutil.Process().name()} (process {os.getpid()})"
            assert f"port {port} for the app is taken by {name}" in said(tmp_path)
            assert "Traceback" not in said(tmp_path)


@pytest.mark.parametrize("command", ["serve", "up"])
def test_beyond_loopback_it_does_not_start_before_there_is_an_admin(tmp_path: Path, command: str) -> None:
    process = start(tmp_path, command, "--host", "0.0.0.0", "--port", str(free_port()))
    assert process.wait(120) == 2
    assert "camelx user add NAME --role admin" in said(tmp_path)


def test_the_app_alone_stops_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, "serve", "--no-pages", "--port", str(port))
    try:
        wait_for(process, tmp_path, f"http://127.0.0.1:{port}/api/v1/cycles")
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/cycles").json() == {
            "items": [],
            "next_cursor": None,
        }
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in said(tmp_path)
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_up_prints_four_addresses_runs_cycles_on_its_worker_and_stops_cleanly(tmp_path: Path) -> None:
    for name in ("configs", "flows", "tasks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", tmp_path)
    port, prefect, mlflow = free_port(), free_port(), free_port()
    process = start(
        tmp_path, "up", "--port", str(port), "--mlflow-port", str(mlflow), CAMELX_PREFECT_PORT=str(prefect)
    )
    api = f"http://127.0.0.1:{port}/api/v1/cycles"
    try:
        wait_for(process, tmp_path, api, 400)
        deadline = time.monotonic() + 60
        while "Stop with Ctrl-C" not in said(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.2)
        for address in (port, prefect, mlflow):
            assert f"http://127.0.0.1:{address}" in said(tmp_path)
        time.sleep(5)  # until the worker has said that it is there
        started = httpx.post(api, json={"overrides": {"goals.n": 200}}, timeout=60)
        assert started.status_code == 201, started.text
        assert started.json()["prefect_url"].startswith(f"http://127.0.0.1:{prefect}/runs/flow-run/")

        def status() -> str:
            return str(httpx.get(f"{api}/c1", timeout=60).json()["status"])

        deadline = time.monotonic() + 200
        while status() == "queued" and time.monotonic() < deadline:
            time.sleep(0.5)
        assert status() == "running"
        assert httpx.post(f"{api}/c1/cancel", timeout=60).status_code == 202
        while status() == "running" and time.monotonic() < deadline:
            time.sleep(0.5)
        assert status() == "cancelled"
        assert httpx.post(f"{api}/c1/resume", timeout=60).status_code == 202
        while status() == "queued" and time.monotonic() < deadline + 100:
            time.sleep(0.5)
        assert status() == "running"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, said(tmp_path)[-2000:]
        assert "Cycle c1 is unfinished" in said(tmp_path)
    finally:
        for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
            child.kill()
        process.kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(api)
