"""Everybody who watches a cycle gets all of it once, in order, and one poller does for all of them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from camelx.schemas import Cycle, CycleEvent, CycleStatus, CycleStatusChanged, Dropped, LogLine, utc_now
from camelx.storage import Store
from camelx.watching import EventHub

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def store(root):
    """In a root folder of its own: whether a cycle's process is gone is seen by the cycle's folder."""
    with Store.open(f"sqlite:///{root / 'camelx.db'}") as opened:
        opened.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        yield opened


@pytest.fixture
def hub(store):
    opened = EventHub(store)
    yield opened
    opened.close()


def add(store, *numbers):
    store.add_events("c1", [(utc_now(), LogLine(level="INFO", message=str(n))) for n in numbers])


def end(store, status=CycleStatus.COMPLETED):
    store.update_cycle("c1", status=status)
    store.add_events("c1", [(utc_now(), CycleStatusChanged(status=status))])


async def numbers(subscription):
    async with subscription as events:
        return [event.seq async for event in events]


async def first(subscription, n):
    """The first n items."""
    async with subscription as items:
        found = []
        async for item in items:
            found.append(item)
            if len(found) == n:
                return found
    return found


async def test_who_comes_late_gets_all_and_it_ends_with_the_cycle(store, hub):
    add(store, *range(1, 1_200))
    end(store)
    subscription = hub.watch("c1")
    assert await numbers(subscription) == list(range(1, 1_201))
    assert subscription.reason == "cycle c1 completed"
    assert await numbers(hub.watch("c1", after=1_190)) == list(range(1_191, 1_201))


async def test_who_comes_while_a_slow_reader_has_not_left_an_ended_cycle_is_told_the_end_too(store, hub):
    add(store, 1)
    end(store)
    async with hub.watch("c1") as slow:
        while not slow.reason:
            await asyncio.sleep(0.02)
        assert await asyncio.wait_for(numbers(hub.watch("c1")), 20) == [1, 2]
        store.update_cycle("c1", status=CycleStatus.RUNNING)
        going_on = asyncio.create_task(numbers(hub.watch("c1")))
        while not hub.n_subscriptions:
            await asyncio.sleep(0.01)
        add(store, 3)
        end(store)
        assert await asyncio.wait_for(going_on, 20) == [1, 2, 3, 4]


async def test_what_happens_while_they_watch_reaches_all_without_gap_or_double(store, hub):
    add(store, 1, 2, 3)

    def happen():
        for n in range(4, 200):
            add(store, n)
        end(store)

    writer = threading.Thread(target=happen)
    watching = [asyncio.create_task(numbers(hub.watch("c1", after=i % 4))) for i in range(40)]
    await asyncio.sleep(0)
    writer.start()
    for i, seen in enumerate(await asyncio.gather(*watching)):
        assert seen == list(range(i % 4 + 1, 201))
    await asyncio.to_thread(writer.join)


async def test_a_cycle_is_polled_once_for_all_who_watch_and_not_at_all_for_nobody(store, hub):
    add(store, 1)
    waiting = [asyncio.create_task(first(hub.watch("c1"), 2)) for _ in range(20)]
    while hub.n_subscriptions < 20:
        await asyncio.sleep(0.01)
    assert len(_pollers()) == 1
    add(store, 2)
    assert all([e.seq for e in seen] == [1, 2] for seen in await asyncio.gather(*waiting))
    await asyncio.sleep(0)
    assert hub.n_subscriptions == 0
    assert _pollers() == []


async def test_a_slow_reader_is_told_what_is_missing_and_slows_nobody(store, hub):
    add(store, 1)
    async with hub.watch("c1", size=5) as slow:
        items = aiter(slow)
        assert (await anext(items)).seq == 1
        fast = asyncio.create_task(numbers(hub.watch("c1")))
        add(store, *range(2, 101))
        end(store)
        assert await fast == list(range(1, 102))
        rest = [item async for item in items]
    assert rest[0] == Dropped(n=95)
    assert [event.seq for event in rest[1:] if isinstance(event, CycleEvent)] == list(range(97, 102))


async def test_pruned_events_are_told_as_missing(store, hub):
    add(store, 1, 2, 3)
    store.prune_events(utc_now())
    assert await first(hub.watch("c1"), 2) == [Dropped(n=2), store.events_after("c1")[0]]


async def test_a_cycle_whose_end_was_never_told_ends_all_the_same(store, hub):
    add(store, 1)
    store.update_cycle("c1", status=CycleStatus.CANCELLED)
    subscription = hub.watch("c1")
    assert await numbers(subscription) == [1]
    assert subscription.reason == "cycle c1 cancelled"


async def test_a_cycle_that_goes_on_after_its_end_is_watched_on(store, hub):
    end(store, CycleStatus.FAILED)
    store.update_cycle("c1", status=CycleStatus.RUNNING)
    watching = asyncio.create_task(numbers(hub.watch("c1")))
    while not hub.n_subscriptions:
        await asyncio.sleep(0.01)
    store.add_events("c1", [(utc_now(), CycleStatusChanged(status=CycleStatus.RUNNING))])
    end(store)
    assert await watching == [1, 2, 3]


async def test_a_cycle_that_does_not_exist_ends_at_once(hub):
    subscription = hub.watch("c9")
    assert await numbers(subscription) == []
    assert "no cycle 'c9'" in subscription.reason


async def test_closing_the_hub_ends_every_subscription_and_lets_nobody_in(store, hub):
    watching = asyncio.create_task(numbers(hub.watch("c1")))
    while not hub.n_subscriptions:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(hub.close)
    assert await watching == []
    late = hub.watch("c1")
    assert await numbers(late) == []
    assert late.reason == "the server is stopping"
    await asyncio.sleep(0)
    assert _pollers() == []


async def test_a_database_that_is_away_for_a_while_is_waited_for(store, hub, caplog):
    add(store, 1)
    async with hub.watch("c1") as subscription:
        items = aiter(subscription)
        assert (await anext(items)).seq == 1
        waiting = asyncio.create_task(anext(items))
        with store._writing.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE cycle_events RENAME TO away")
        while "can't be read" not in caplog.text:
            await asyncio.sleep(0.05)
        with store._writing.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO cycle_events")
        add(store, 2)
        assert (await waiting).seq == 2
    assert caplog.text.count("can't be read") == 1


def write_as_a_newer_camelx(store, seq):
    row = f"('c1', {seq}, '2026-01-01 00:00:00', 'thought', '{{\"kind\": \"thought\"}}')"
    with store._writing.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO cycle_events (cycle_id, seq, at, kind, payload) VALUES {row}"
        )


async def test_what_only_a_newer_camelx_can_read_is_left_out_and_all_goes_on(store, hub, caplog):
    add(store, 1)
    write_as_a_newer_camelx(store, 2)
    add(store, 3)
    async with hub.watch("c1") as subscription:
        items = aiter(subscription)
        assert [await anext(items) for _ in range(3)] == [
            store.events_after("c1")[0], Dropped(n=1), store.events_after("c1")[1],
        ]  # fmt: skip
        write_as_a_newer_camelx(store, 4)
        add(store, 5)
        assert await anext(items) == Dropped(n=1)
        assert (await anext(items)).seq == 5
        end(store)
        assert [event.seq async for event in items] == [6]
    assert caplog.text.count("event 2 of cycle c1 can't be read") == 1


async def test_whatever_goes_wrong_while_it_is_read_is_logged_and_tried_again(
    store, hub, caplog, monkeypatch
):
    add(store, 1)
    async with hub.watch("c1") as subscription:
        items = aiter(subscription)
        assert (await anext(items)).seq == 1
        with monkeypatch.context() as patched:
            patched.setattr(store, "events_after", lambda *_: 1 / 0)
            while "can't be read, trying on" not in caplog.text:
                await asyncio.sleep(0.05)
        add(store, 2)
        assert (await anext(items)).seq == 2


def _pollers():
    return [task for task in asyncio.all_tasks() if task.get_name() == "events of c1" and not task.done()]
