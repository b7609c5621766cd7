"""Events of a cycle are numbered without gaps, whoever writes them, and read in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from camelx.errors import StorageError
from camelx.schemas import (
    CycleStatus,
    CycleStatusChanged,
    LogLine,
    ProgressMade,
    Stage,
    TrainingStep,
    utc_now,
)
from camelx.storage import Store

from .conftest import cycle

NOW = utc_now()


def lines(*numbers):
    return [(NOW, LogLine(level="INFO", message=str(n))) for n in numbers]


@pytest.fixture
def running(store):
    store.add_cycle(cycle(1))
    store.add_cycle(cycle(2))
    return store


def test_events_come_back_as_they_were_in_the_order_they_happened(running):
    payloads = [
        CycleStatusChanged(status=CycleStatus.RUNNING),
        ProgressMade(stage=Stage.RANK, done=3, total=8, unit="votes"),
        TrainingStep(step=1, loss=0.69, reward_margin=0.01, accuracy=0.5, learning_rate=1e-4),
        LogLine(level="WARNING", message="\0 and \ud800", stage=Stage.RANK),
    ]
    assert running.add_events("c1", [(NOW, payload) for payload in payloads]) == 4
    stored = running.events_after("c1")
    assert [event.seq for event in stored] == [1, 2, 3, 4]
    assert [event.payload for event in stored[:3]] == payloads[:3]
    assert stored[0].at == NOW
    assert stored[3].kind == "log"


def test_each_cycle_counts_for_itself_and_a_reader_goes_on_where_it_was(running):
    assert running.add_events("c1", lines(1, 2, 3)) == 3
    assert running.add_events("c2", lines(1)) == 1
    assert running.add_events("c1", lines(4)) == 4
    assert [event.seq for event in running.events_after("c1", 1, limit=2)] == [2, 3]
    assert [event.seq for event in running.events_after("c1", 3)] == [4]
    assert running.events_after("c1", 4) == []
    assert running.add_events("c1", []) == 4


def test_some_kinds_and_the_last_ones_can_be_asked_for(running):
    running.add_events("c1", [*lines(1, 2), (NOW, TrainingStep(step=1)), *lines(3)])
    assert [event.seq for event in running.events_after("c1", kinds=["training"])] == [3]
    assert [event.seq for event in running.last_events("c1", 2)] == [3, 4]
    assert [event.seq for event in running.last_events("c1", 2, kinds=["log"])] == [2, 4]


def test_writers_of_several_processes_leave_no_gap_and_no_double(running, database):
    def write(writer):
        with Store.open(database) as other:
            for i in range(25):
                other.add_events("c1", lines(*(f"{writer} {i} {n}" for n in range(3))))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    stored = running.events_after("c1", limit=1000)
    assert [event.seq for event in stored] == list(range(1, 226))
    assert len({event.payload.message for event in stored}) == 225


def test_a_reader_who_has_seen_a_number_has_seen_all_lower_ones(running, database):
    def write(_):
        with Store.open(database) as other:
            for i in range(30):
                other.add_events("c1", lines(i))

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, n) for n in range(2)]
        seen = []
        while not all(w.done() for w in writing) or running.events_after("c1", len(seen)):
            seen += [event.seq for event in running.events_after("c1", seen[-1] if seen else 0)]
    assert seen == list(range(1, 61))


def test_events_of_no_cycle_are_refused(store):
    with pytest.raises(StorageError, match="missing row"):
        store.add_events("c9", lines(1))
    assert store.events_after("c9") == []


def test_old_events_are_removed_but_numbers_never_begin_again(running):
    old = NOW - timedelta(days=30)
    running.add_events("c1", [(old, payload) for _, payload in lines(1, 2, 3)])
    running.add_events("c2", [(old, payload) for _, payload in lines(1)] + lines(2))
    assert running.prune_events(NOW - timedelta(days=7)) == 3
    assert [event.seq for event in running.events_after("c1")] == [3]
    assert [event.seq for event in running.events_after("c2")] == [2]
    assert running.add_events("c1", lines(4)) == 4


def test_events_that_only_a_newer_camelx_can_read_are_left_out_and_pages_stay_full(running, caplog):
    running.add_events("c1", lines(*range(1, 10)))
    with running._writing.begin() as connection:
        newer = """UPDATE cycle_events SET kind = 'thought', payload = '{"kind": "thought"}' WHERE seq"""
        connection.exec_driver_sql(f"{newer} BETWEEN 2 AND 4")
        connection.exec_driver_sql(f"{newer} = 9")
    assert [event.seq for event in running.events_after("c1", limit=3)] == [1, 5, 6]
    assert [event.seq for event in running.events_after("c1", 6, limit=3)] == [7, 8]
    assert [event.seq for event in running.last_events("c1", 2)] == [8]
    assert running.events_after("c1", 8) == []
    assert running.add_events("c1", lines(10)) == 10
    for seq in (2, 3, 4, 9):
        told = caplog.text.count(f"event {seq} of cycle c1 can't be read")
        assert told == 1, "told once, however often read"
