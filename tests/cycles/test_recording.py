"""What happens in a stage is kept in order, in few writes; a database that takes nothing stops no cycle."""

from __future__ import annotations

import logging

import pytest

from camelx.cycles.recording import record_now, recording
from camelx.runtime import progress
from camelx.schemas import Cycle, CycleStatus, CycleStatusChanged, Stage, TrainingStep
from camelx.storage import Store


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'camelx.db'}") as opened:
        opened.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        yield opened


def payloads(store):
    return [event.payload for event in store.events_after("c1", limit=10_000)]


def test_what_a_stage_tells_is_stored_in_order_when_it_ends(store):
    steps = [TrainingStep(step=n, loss=1 / n) for n in range(1, 300)]
    with recording(store, "c1", Stage.TRAIN) as events:
        for step in steps:
            events.tell(step)
    assert payloads(store) == steps


def test_of_many_reports_of_progress_the_newest_are_kept(store):
    with recording(store, "c1", Stage.RANK):
        for n in range(5_000):
            progress.report(progress.Progress("c1", Stage.RANK, n + 1, 5_000, "votes"))
    kept = payloads(store)
    assert len(kept) < 20
    assert (kept[-1].done, kept[-1].total, kept[-1].unit) == (5_000, 5_000, "votes")


def test_progress_of_another_cycle_or_stage_is_not_this_one_s(store):
    with recording(store, "c1", Stage.RANK):
        progress.report(progress.Progress("c2", Stage.RANK, 1, 2))
        progress.report(progress.Progress("c1", Stage.TRAIN, 1, 2))
    assert payloads(store) == []


def test_lines_that_camelx_logs_meanwhile_are_events(store):
    logger = logging.getLogger("camelx.ranking.somewhere")
    logger.warning("before")
    with recording(store, "c1", Stage.RANK):
        logger.warning("a pool of %d is small", 3)
        logger.error("x" * 9_000)
        logger.warning("asked https://ada:hunter22@models.example/v1")
        logging.getLogger("urllib3").warning("no line of ours")
    logger.warning("after")
    first, second, third = payloads(store)
    assert (first.level, first.message, first.stage) == ("WARNING", "a pool of 3 is small", Stage.RANK)
    assert first.logger == "camelx.ranking.somewhere"
    assert (second.level, len(second.message)) == ("ERROR", 4_000)
    assert third.message == "asked https://ada:[hidden]@models.example/v1"


def test_a_database_that_takes_no_event_is_complained_of_once_and_stops_nothing(store, caplog):
    with recording(store, "c404", Stage.TRAIN) as events:
        for step in range(3):
            events.tell(TrainingStep(step=step))
            events._is_over.wait(0.6)  # a write of its own for each
    record_now(store, "c1", CycleStatusChanged(status=CycleStatus.RUNNING))
    complaints = [r for r in caplog.records if r.name == "camelx.cycles.recording"]
    assert len(complaints) == 1
    assert "whoever watches cycle c404 misses what happens" in complaints[0].getMessage()
    assert len(payloads(store)) == 1


def test_outside_of_a_stage_a_failing_write_raises_nothing(store, caplog):
    record_now(store, "c404", CycleStatusChanged(status=CycleStatus.RUNNING))
    assert "misses what happens" in caplog.text
