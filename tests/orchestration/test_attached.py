import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from camelx.orchestration.attached import start_attached

SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that says "up" and then waits."""
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    return tmp_path


def _wait_for(condition: object, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_a_child_ends_when_its_parent_says_so(sleeper: Path) -> None:
    child = start_attached("sleeper", "sleeper", environment={}, log=sleeper / "log")
    assert _wait_for(lambda: child.last_lines() == "up")
    assert child.is_running
    child.stop()
    assert not child.is_running


def test_a_child_ends_when_its_parent_is_killed(sleeper: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time, pathlib; from camelx.orchestration.attached import start_attached\n"
            "child = start_attached('s', 'sleeper', environment={}, log=pathlib.Path('log'))\n"
            "print(child.popen.pid, flush=True)\ntime.sleep(600)",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=sleeper,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert _wait_for(lambda: (sleeper / "log").read_text() == "up\n")
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_end_of_a_childs_log_can_be_shown(sleeper: Path) -> None:
    child = start_attached("broken", "no_such_module", environment={}, log=sleeper / "log")
    child.popen.wait()
    child.stop()
    assert "No module named no_such_module" in child.last_lines()
