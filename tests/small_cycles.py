"""A project of a few goals whose agents a local server answers for: cycles that end within seconds.

Fixtures for tests that start cycles as people do; they come from tests/e2e, where such cycles are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.conftest import CountingServer, counting_server, write_config
from tiny_model import build_tiny_model

from camelx import config
from camelx.config import Settings


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("base"), context=1024)


@pytest.fixture
def answering() -> Iterator[CountingServer]:
    """The server that answers for the agents; `delay_s` makes it slow."""
    with counting_server() as server:
        yield server


@pytest.fixture
def small_project(
    tmp_path: Path, answering: CountingServer, small_base: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """The settings of a project with configs/cycle.yaml, which are this process's too."""
    write_config(tmp_path, answering, small_base)
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.setenv("CAMELX_PROJECT", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config.settings.cache_clear()
    yield config.settings()
    config.settings.cache_clear()


def wait_until(is_so: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)
