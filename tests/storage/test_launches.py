"""Cycles are queued one at a time, change status once, and are found by page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from camelx.errors import ConflictError
from camelx.schemas import CycleStatus, Launch, Stage, StageReport, utc_now

from .conftest import cycle


def queued(number):
    return cycle(number, status=CycleStatus.QUEUED)


def test_of_many_who_start_a_cycle_at_once_one_does(store):
    def start(name):
        try:
            return store.queue_cycle(queued, requested_by=name).id
        except ConflictError as e:
            return str(e)

    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(start, [f"p{i}" for i in range(8)]))
    assert answers.count("c1") == 1
    assert len([one for one in answers if "cycle c1 is queued" in one or "same moment" in one]) == 7
    assert [one.id for one in store.cycles()] == ["c1"]


def test_a_cycle_that_waits_or_runs_is_in_the_way_of_others_unless_its_process_is_gone(store):
    store.queue_cycle(queued, requested_by="ada")
    store.update_cycle("c1", status=CycleStatus.RUNNING)
    with pytest.raises(ConflictError, match="cycle c1 is running"):
        store.queue_cycle(queued, requested_by="ben")
    assert store.queue_cycle(queued, requested_by="ben", ended=["c1"]).id == "c2"
    with pytest.raises(ConflictError, match="cycle c2 is queued"):
        store.queue_again("c1", requested_by="ada", ended=["c1"])


def test_a_cycle_that_is_queued_again_loses_its_end_and_its_last_launch(store):
    store.queue_cycle(queued, requested_by="ada")
    store.note_launch("c1", pid=7, host="here", flow_run_id="f", cancel_asked_at=utc_now())
    store.update_cycle("c1", status=CycleStatus.FAILED, error="why", finished_at=utc_now())
    store.queue_again("c1", requested_by="ben")
    again = store.cycle("c1")
    assert (again.status, again.error, again.finished_at) == (CycleStatus.QUEUED, None, None)
    launch = store.launch("c1")
    assert (launch.requested_by, launch.pid, launch.flow_run_id, launch.cancel_asked_at) == (
        "ben", None, None, None,
    )  # fmt: skip


def test_a_status_is_changed_only_from_what_it_must_be(store):
    store.add_cycle(cycle(1))
    ended = {"was": [CycleStatus.RUNNING], "status": CycleStatus.FAILED, "error": "why"}
    assert store.move_cycle("c1", **ended)
    assert not store.move_cycle("c1", **(ended | {"status": CycleStatus.COMPLETED}))
    assert (store.cycle("c1").status, store.cycle("c1").error) == (CycleStatus.FAILED, "why")


def test_who_asks_to_cancel_again_too_soon_changes_nothing(store):
    store.add_cycle(cycle(1))
    store.save_launch(Launch(cycle_id="c1", requested_by="ada"))
    now = utc_now()
    minute = timedelta(minutes=1)
    assert store.ask_to_cancel("c1", at=now, again_before=now - minute)
    assert not store.ask_to_cancel("c1", at=now, again_before=now - minute)
    assert store.ask_to_cancel("c1", at=now + 2 * minute, again_before=now + minute)


def test_cycles_come_in_pages_newest_first_with_their_reports(store):
    for number in range(1, 6):
        store.add_cycle(cycle(number, status=CycleStatus.COMPLETED if number % 2 else CycleStatus.FAILED))
    store.save_stage_report(StageReport(cycle_id="c5", stage=Stage.RANK))
    store.save_stage_report(StageReport(cycle_id="c5", stage=Stage.GENERATE))
    assert [one.id for one in store.cycles_page(limit=2)] == ["c5", "c4"]
    assert [one.id for one in store.cycles_page(limit=9, before=3)] == ["c2", "c1"]
    assert [one.id for one in store.cycles_page(limit=9, status=CycleStatus.FAILED)] == ["c4", "c2"]
    reports = store.reports_of(["c4", "c5"])
    assert list(reports["c5"]) == [Stage.GENERATE, Stage.RANK]
    assert reports["c4"] == {}
    assert store.active_cycles() == []


def test_what_a_cycle_has_so_far_is_counted(filled):
    assert filled.counts_of("c1") == {"interactions": 6, "votes": 2}
    assert filled.counts_of("c9") == {"interactions": 0, "votes": 0}
