"""Ctrl-C and a full disk, met by the whole command: it says what to do, and `--resume` completes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from camelx.config import Settings
from camelx.schemas import CycleStatus, Stage
from camelx.storage import Store

from .conftest import CountingServer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
_MOST_AT_ONCE = 4
"""generation.concurrency of the config: calls that may be under way when a command ends."""


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of commands that share one Prefect server, which lies on no full disk."""
    from camelx.orchestration.server import prefect_server

    settings = Settings(root=tmp_path_factory.mktemp("prefect"), prefect_port=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        home = str(settings.data_dir / "prefect")
        patch.setenv("PREFECT_HOME", home)
        with prefect_server(settings) as started:
            started.wait()
            yield {"PREFECT_HOME": home, "PREFECT_API_URL": started.api_url}


class Command:
    """Runs `camelx cycle` in a process of its own, and looks at what it left."""

    def __init__(self, root: Path, config: Path, environment: dict[str, str]) -> None:
        self.root, self.config = root, config
        self.database = root / "database" / "camelx.db"
        self.database.parent.mkdir()
        self.environment = (
            os.environ
            | environment
            | {
                "CAMELX_ROOT": str(root),
                "CAMELX_DATABASE_URL": f"sqlite:///{self.database}",
                "OMP_NUM_THREADS": "1",
            }
        )
        self.stderr = ""

    def start(self, *options: str) -> subprocess.Popen[str]:
        main = "from camelx.cli import main; main()"
        self.log = (self.root / "stderr").open("w")
        return subprocess.Popen(
            [sys.executable, "-c", main, "cycle", "--json", *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, dict[str, Any] | None]:
        """Return the exit code and the JSON on stdout; None: there is none."""
        stdout, _ = process.communicate(timeout=300)
        self.log.close()
        self.stderr = (self.root / "stderr").read_text()
        return process.returncode, json.loads(stdout) if stdout.strip() else None

    def wait_for(self, process: subprocess.Popen[str], is_time: Callable[[], bool]) -> None:
        while not is_time():
            assert process.poll() is None, (self.root / "stderr").read_text()[-3000:]
            time.sleep(0.002)

    def resumed(self) -> dict[str, Any]:
        code, page = self.ended(self.start("--resume"))
        assert code == 0, self.stderr[-3000:]
        assert page is not None
        return page

    def check_paid_once(self, page: dict[str, Any], counted: CountingServer) -> None:
        """Check that the cycle is complete and that only calls under way at the end were made again."""
        assert page["status"] == "completed"
        assert [stage["status"] for stage in page["stages"]] == ["completed"] * len(Stage)
        with Store.open(f"sqlite:///{self.database}") as store:
            (cycle,) = store.cycles()
            rows = store.interactions(cycle.id)
        assert cycle.status is CycleStatus.COMPLETED
        asked = [row for row in rows if row.stage in (Stage.GENERATE, Stage.RANK)]
        assert len(asked) <= counted.n_answered <= len(asked) + _MOST_AT_ONCE


@pytest.fixture
def command(tmp_path: Path, counted_config: Path, prefect: dict[str, str]) -> Command:
    return Command(tmp_path, counted_config, prefect)


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.TRAIN])
def test_a_cycle_stopped_by_ctrl_c_says_how_to_go_on_and_does(
    command: Command, counted: CountingServer, stage: Stage
) -> None:
    counted.delay_s = 0.02

    def is_time() -> bool:
        if stage is Stage.GENERATE:
            return counted.n_answered >= 20
        return any((command.root / "adapters").glob("**/checkpoint-*"))

    process = command.start("--config", str(command.config))
    command.wait_for(process, is_time)
    process.send_signal(signal.SIGINT)
    code, page = command.ended(process)
    assert code == 130, command.stderr[-3000:]
    assert "interrupted; `camelx cycle --resume` goes on" in command.stderr
    assert "Traceback" not in command.stderr
    assert page is not None
    assert page["status"] == "cancelled"
    stopped = {one["name"]: one["status"] for one in page["stages"]}
    assert stopped[stage] == "cancelled"
    command.check_paid_once(command.resumed(), counted)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Callable[[], None]]]:
    """Mounts a file system at a folder of the root, and gives what fills and what empties it."""
    mounted: list[Path] = []

    def mount(name: str) -> Callable[[], None]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arguments = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small file system can't be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return lambda: _fill(folder / "ballast")

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


@pytest.mark.parametrize("place", ["database", "data", "adapters", "mlruns"])
def test_a_full_disk_is_named_and_after_making_room_the_cycle_completes(
    command: Command, counted: CountingServer, small_disk: Any, place: str
) -> None:
    counted.delay_s = 0.02
    fill = small_disk(place)
    process = command.start("--config", str(command.config))
    command.wait_for(process, lambda: counted.n_answered >= 20)
    fill()
    code, _ = command.ended(process)
    assert code == 8, command.stderr[-3000:]
    assert "the disk is full" in command.stderr
    assert str(command.root / place) in command.stderr
    assert "camelx cycle --resume" in command.stderr
    assert "Traceback" not in command.stderr
    (command.root / place / "ballast").unlink()
    command.check_paid_once(command.resumed(), counted)
