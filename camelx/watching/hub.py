"""`EventHub`: one poller for each cycle that is watched, however many watch it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from camelx.cycles.holding import as_it_stands
from camelx.errors import ConfigError, NotFoundError, StorageError, boundary
from camelx.schemas import CycleEvent, CycleStatus, CycleStatusChanged, Dropped
from camelx.storage import Store
from camelx.watching.queue import MOST_WAITING, BoundedQueue

log = logging.getLogger(__name__)

_POLL_EVERY_S = 0.3
_LOOK_EVERY_S = 1.0
"""How often a silent cycle is asked whether it still runs."""
_PAGE = 500
OPEN = (CycleStatus.QUEUED, CycleStatus.RUNNING)
"""A cycle of this status may still have events."""
STOPPING = "the server is stopping"
"""Why a subscription ends that has not come to its end: who wants the rest asks again."""


class EventHub:
    """Hands the events of cycles to whoever watches. To be used on one event loop.

    Args:
        store: Where the events are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watched: dict[str, _Watched] = {}
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def n_subscriptions(self) -> int:
        """How many watch at this moment."""
        return sum(len(watched.queues) for watched in tuple(self._watched.values()))

    def watch(self, cycle_id: str, after: int = 0, *, size: int = MOST_WAITING) -> Subscription:
        """Return a subscription to the events of a cycle; it begins inside its `async with` block.

        Args:
            cycle_id: The cycle.
            after: The number of the last event that is known; 0: all are wanted.
            size: Most events that wait for the reader.
        """
        return Subscription(self, cycle_id, after, size)

    def close(self) -> None:
        """End every subscription; may be called from any thread, and when the loop has stopped."""
        self._is_closed = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                self._loop.call_soon_threadsafe(self._end_all)

    async def page(self, cycle_id: str, after: int) -> list[CycleEvent]:
        """Return stored events without a hold on the loop."""
        return await asyncio.to_thread(self._store.events_after, cycle_id, after, _PAGE)

    async def join(self, cycle_id: str, queue: BoundedQueue[CycleEvent]) -> None:
        """Put what happens from now on into the queue; what was before is stored once this returns."""
        self._loop = asyncio.get_running_loop()
        if self._is_closed:
            queue.end(STOPPING)
            return
        watched = self._watched.get(cycle_id)
        if watched is None or watched.poller.done():
            # Whoever still reads what an ended one left has all of it; the cycle may have gone on since.
            watched = self._watched[cycle_id] = _Watched(self._store, cycle_id)
        watched.queues.add(queue)
        await watched.is_ready.wait()

    def leave(self, cycle_id: str, queue: BoundedQueue[CycleEvent]) -> None:
        """Put nothing more into the queue; with the last one the cycle is polled no longer."""
        watched = self._watched.get(cycle_id)
        if watched is not None and queue in watched.queues:
            watched.queues.remove(queue)
            if not watched.queues:
                watched.poller.cancel()
                del self._watched[cycle_id]

    def _end_all(self) -> None:
        for watched in self._watched.values():
            watched.end(STOPPING)
            watched.poller.cancel()


class Subscription:
    """The events of one cycle for one reader: those that are stored, then those that come, without a gap.

    Only a reader who is slower than the cycle misses some, and gets a `Dropped` in their place; so does one
    who asks for events that were pruned. It ends when the cycle has and all is read, or when the hub closes.
    """

    def __init__(self, hub: EventHub, cycle_id: str, after: int, size: int) -> None:
        self._hub, self._cycle_id, self._seen = hub, cycle_id, after
        self._queue: BoundedQueue[CycleEvent] = BoundedQueue(size)

    @property
    def reason(self) -> str:
        """Why it ended, once it has."""
        return self._queue.reason

    async def __aenter__(self) -> Self:
        await self._hub.join(self._cycle_id, self._queue)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub.leave(self._cycle_id, self._queue)

    async def __aiter__(self) -> AsyncIterator[CycleEvent | Dropped]:
        page = await self._hub.page(self._cycle_id, self._seen)
        while page:
            for event in page:
                for item in self._next(event):
                    yield item
            page = await self._hub.page(self._cycle_id, self._seen) if len(page) == _PAGE else []
        async for waiting in self._queue:
            if isinstance(waiting, CycleEvent):  # what is missing shows in the numbers
                for item in self._next(waiting):
                    yield item

    def _next(self, event: CycleEvent) -> list[CycleEvent | Dropped]:
        missing, self._seen = event.seq - self._seen - 1, max(self._seen, event.seq)
        if missing < 0:
            return []
        return [Dropped(n=missing), event] if missing else [event]


class _Watched:
    """One cycle that is watched: its poller, and the queues of those who watch."""

    def __init__(self, store: Store, cycle_id: str) -> None:
        self.queues: set[BoundedQueue[CycleEvent]] = set()
        self.is_ready = asyncio.Event()
        self._store, self._cycle_id = store, cycle_id
        self._position = -1
        self._is_last_an_end = False
        self._ended_since: float | None = None
        self._looked_at = 0.0
        self._is_failing = False
        self.poller = asyncio.create_task(self._poll(), name=f"events of {cycle_id}")

    def end(self, reason: str) -> None:
        """End what everybody who watches is sent."""
        self.is_ready.set()
        for queue in self.queues:
            queue.end(reason)

    async def _poll(self) -> None:
        while (reason := await self._step()) is None:
            await asyncio.sleep(_POLL_EVERY_S)
        self.end(reason)

    async def _step(self) -> str | None:
        """Hand on what is new; return why nothing more will come, once that is so."""
        try:
            # Whatever goes wrong, those who watch must not wait for ever.
            with boundary(StorageError, f"reading the events of cycle {self._cycle_id}"):
                if self._position < 0:
                    await self._start()
                read = self._store.events_after
                events = await asyncio.to_thread(read, self._cycle_id, self._position, _PAGE)
                for event in events:
                    self._hand_on(event)
                return None if events else await self._ending()
        except (ConfigError, NotFoundError) as e:
            return str(e)  # no such cycle
        except StorageError as e:
            if not self._is_failing:
                log.warning("events of cycle %s can't be read, trying on: %s", self._cycle_id, e)
            self._is_failing = True
            return None

    async def _start(self) -> None:
        """Begin behind what is stored: readers fetch that themselves."""
        last = await asyncio.to_thread(self._store.last_events, self._cycle_id, 1)
        self._position = last[0].seq if last else 0
        self._is_last_an_end = bool(last) and _is_end(last[0])
        self.is_ready.set()

    def _hand_on(self, event: CycleEvent) -> None:
        self._position, self._is_last_an_end, self._is_failing = event.seq, _is_end(event), False
        for queue in self.queues:
            queue.put(event)

    async def _ending(self) -> str | None:
        """Return how the cycle ended, once it has and its last event must be there."""
        now = time.monotonic()
        if not self._is_last_an_end and now - self._looked_at < _LOOK_EVERY_S:
            return None
        self._looked_at = now
        cycle = as_it_stands(await asyncio.to_thread(self._store.cycle, self._cycle_id))
        if cycle.status in OPEN:
            self._ended_since = None
            return None
        # The status is written before its event; a process that was killed has written neither.
        since = self._ended_since = self._ended_since or now
        if not self._is_last_an_end and now - since < _LOOK_EVERY_S:
            return None
        # It may have gone on, and ended once more, since the events were read.
        newer = await asyncio.to_thread(self._store.events_after, self._cycle_id, self._position, 1)
        return None if newer else f"cycle {cycle.id} {cycle.status}"


def _is_end(event: CycleEvent) -> bool:
    payload = event.payload
    return isinstance(payload, CycleStatusChanged) and payload.status not in OPEN
