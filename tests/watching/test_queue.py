"""A queue for a slow reader keeps the newest, says what it dropped, and never makes anybody wait."""

from __future__ import annotations

import asyncio

from camelx.schemas import Dropped
from camelx.watching import BoundedQueue


async def test_a_reader_gets_what_was_put_in_order_until_the_end():
    queue: BoundedQueue[int] = BoundedQueue()
    for n in range(3):
        queue.put(n)
    queue.end("enough")
    queue.end("another reason")
    queue.put(99)
    assert [item async for item in queue] == [0, 1, 2]
    assert queue.reason == "enough"


async def test_a_slow_reader_misses_the_oldest_and_is_told_how_many():
    queue: BoundedQueue[int] = BoundedQueue(size=3)
    for n in range(10):
        queue.put(n)
    assert [await anext(queue) for _ in range(4)] == [Dropped(n=7), 7, 8, 9]
    for n in range(4):
        queue.put(n)
    queue.end("")
    assert [item async for item in queue] == [Dropped(n=1), 1, 2, 3]


async def test_a_waiting_reader_wakes_for_an_item_of_another_thread_and_for_the_end():
    queue: BoundedQueue[str] = BoundedQueue()
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(anext(queue))
    await asyncio.to_thread(lambda: loop.call_soon_threadsafe(queue.put, "token"))
    assert await first == "token"
    rest = asyncio.create_task(_all(queue))
    await asyncio.sleep(0)
    queue.end("over")
    assert await rest == []


async def test_a_reader_who_gave_up_waiting_loses_nothing():
    queue: BoundedQueue[str] = BoundedQueue()
    waiting = asyncio.create_task(anext(queue))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    queue.put("kept")
    assert await anext(queue) == "kept"


async def _all(queue):
    return [item async for item in queue]
