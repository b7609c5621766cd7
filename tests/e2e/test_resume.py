"""Kill -9 at any moment loses nothing, and no answered model call is made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from camelx.schemas import CycleStatus, Stage
from camelx.storage import Store

from .conftest import CountingServer

ROOT = Path(__file__).parents[2]
_RUN = """\
import sys
from camelx import cycles, stages
from camelx.cycles import opening
from camelx.schemas import CycleStatus, Stage
cycle = opening.open_cycle(sys.argv[1], resume=sys.argv[2] == "resume")
for name, stage in stages.BY_NAME.items():
    stage(cycle)
    if name == sys.argv[3]:
        sys.exit()
cycles.close_cycle(cycle, status=CycleStatus.COMPLETED)
"""


class Driver:
    """Runs the stages of one cycle in a process of their own."""

    def __init__(self, root: Path, config: Path) -> None:
        self.config, self.url = config, f"sqlite:///{root}/data/camelx.db"
        self.environment = os.environ | {"CAMELX_ROOT": str(root), "OMP_NUM_THREADS": "1"}
        self.log = root / "log"

    def start(self, how: str, until: Stage) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", _RUN, str(self.config), how, until],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def finish(self, how: str, until: Stage) -> None:
        assert self.start(how, until).wait(300) == 0, self.log.read_text()[-3000:]

    def kill_when(self, is_time: Callable[[], bool], how: str, until: Stage) -> None:
        process = self.start(how, until)
        while not is_time():
            assert process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def status(self, stage: Stage) -> CycleStatus | None:
        if not Path(self.url.removeprefix("sqlite:///")).exists():
            return None
        with Store.open(self.url) as store:
            latest = store.latest_cycle()
            report = store.stage_reports(latest.id).get(stage) if latest else None
        return report.status if report else None


@pytest.fixture
def driver(tmp_path: Path, counted_config: Path) -> Driver:
    return Driver(tmp_path, counted_config)


def test_a_cycle_killed_among_its_model_calls_asks_only_for_what_is_missing(
    driver: Driver, counted: CountingServer
) -> None:
    counted.delay_s = 0.02
    driver.kill_when(lambda: counted.n_answered >= 20, "new", Stage.RANK)
    driver.kill_when(lambda: counted.n_answered >= 70, "resume", Stage.RANK)
    driver.finish("resume", Stage.RANK)
    with Store.open(driver.url) as store:
        (cycle,) = store.cycles()
        rows, votes = store.interactions(cycle.id), store.votes(cycle.id)
    worked = [row for row in rows if row.stage is Stage.GENERATE]
    assert len(worked) == 8 * (2 + 2 * 2)
    assert len(rows) - len(worked) == len(votes) > 0
    # Only the calls that were under way at a kill, at most `concurrency` each time, may be made again.
    assert len(rows) <= counted.n_answered <= len(rows) + 2 * 4


@pytest.mark.slow
def test_a_cycle_killed_in_every_stage_ends_as_if_nothing_had_happened(
    driver: Driver, counted: CountingServer
) -> None:
    how = "new"
    for stage in Stage:
        driver.kill_when(lambda stage=stage: driver.status(stage) is not None, how, Stage.REGISTER)
        how = "resume"
    driver.finish(how, Stage.REGISTER)
    n_after_first = counted.n_answered
    with Store.open(driver.url) as store:
        (cycle,) = store.cycles()
        reports, rows = store.stage_reports(cycle.id), store.interactions(cycle.id)
    assert {stage: report.status for stage, report in reports.items()} == dict.fromkeys(
        Stage, CycleStatus.COMPLETED
    )
    asked = [row for row in rows if row.stage in (Stage.GENERATE, Stage.RANK)]
    assert len(asked) <= n_after_first <= len(asked) + len(Stage) * 4
    driver.finish("new", Stage.GENERATE)
    assert driver.status(Stage.RANK) is None  # that was the second cycle
