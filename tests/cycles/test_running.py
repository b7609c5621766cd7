"""What a cycle's record says of time, however its runs end; and what training does with a broken file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from camelx.config import load_config, settings
from camelx.cycles import CycleContext, Outcome, close_cycle, open_store, recorded
from camelx.cycles.holding import hold, let_go
from camelx.cycles.opening import open_cycle
from camelx.cycles.summary import cycle_summary
from camelx.errors import DataValidationError
from camelx.export import write_pairs
from camelx.runtime.clock import add_model_seconds
from camelx.schemas import Cycle, CycleStatus, Stage, StageReport
from camelx.stages import train_dpo_adapter

CONFIG = Path(__file__).parents[2] / "configs" / "cycle.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of cycle c1, which this process holds."""
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    settings.cache_clear()
    config = load_config(CONFIG).model_dump(mode="json")
    with open_store() as store:
        store.add_cycle(Cycle(id="c1", number=1, config=config, trace_id="t"))
    hold("c1")
    yield tmp_path / "data" / "c1"
    let_go("c1")
    settings.cache_clear()


def _cycle() -> Cycle:
    with open_store() as store:
        return store.cycle("c1")


def _save(*reports: StageReport, seconds: float) -> None:
    with open_store() as store:
        for report in reports:
            store.save_stage_report(report)
        store.update_cycle("c1", seconds=seconds)


def _report(stage: Stage, seconds: float, model_seconds: float) -> StageReport:
    return StageReport(
        cycle_id="c1",
        stage=stage,
        status=CycleStatus.COMPLETED,
        seconds=seconds,
        model_seconds=model_seconds,
    )


def test_a_stage_that_is_stopped_leaves_its_time_and_its_models() -> None:
    @recorded(Stage.GENERATE)
    def stopped(_context: CycleContext) -> Outcome:
        add_model_seconds(5.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped("c1")
    with open_store() as store:
        report = store.stage_reports("c1")[Stage.GENERATE]
    assert report.status is CycleStatus.CANCELLED
    assert report.error == "stopped by Ctrl-C or SIGTERM"
    assert report.model_seconds == pytest.approx(5.0)
    assert _cycle().seconds >= report.seconds > 0
    assert _cycle().peak_rss_mb > 0


def test_time_that_stages_charged_is_not_charged_again_at_the_cycles_end() -> None:
    @recorded(Stage.GENERATE)
    def stage(_context: CycleContext) -> Outcome:
        return Outcome()

    _save(seconds=70.0)
    stage("c1")
    assert _cycle().seconds > 70.0
    close_cycle("c1", status=CycleStatus.COMPLETED, seconds=30.0)
    assert _cycle().seconds == pytest.approx(100.0)


def test_a_stage_that_is_done_again_does_not_make_its_first_time_overhead() -> None:
    done = [_report(stage, 10.0, 9.0) for stage in Stage]
    _save(*done, seconds=80.0)
    open_cycle(str(CONFIG), cycle_id="c1", from_stage=Stage.REGISTER)
    _save(_report(Stage.REGISTER, 10.0, 9.0), seconds=_cycle().seconds + 10.0)
    facts = cycle_summary("c1").as_json()
    assert facts["seconds"] == 80.0
    assert facts["overhead_share"] == pytest.approx(1 - 63 / 80, abs=1e-4)


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_a_broken_pairs_file_is_not_trained_on_and_the_way_out_is_named(
    folder: Path, content: bytes | None
) -> None:
    pairs = write_pairs([], folder).parquet
    if content is None:
        pairs.unlink()
    else:
        pairs.write_bytes(content)
    with pytest.raises(DataValidationError, match="--cycle c1 --from export-preference-pairs"):
        train_dpo_adapter("c1")
