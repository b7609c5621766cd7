"""`BoundedQueue`: items on their way to one reader, who may be slow."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

from camelx.schemas import Dropped

MOST_WAITING = 500

_T = TypeVar("_T")


class BoundedQueue(Generic[_T]):
    """An async iterator over what was put: at most `size` items wait, the oldest is dropped for a new one.

    The reader is told by a `Dropped` in the place of what is missing. Putting never waits. To be used on one
    event loop; other threads put with `loop.call_soon_threadsafe(queue.put, item)`.
    """

    def __init__(self, size: int = MOST_WAITING) -> None:
        self._items: deque[_T] = deque()
        self._size = size
        self._n_dropped = 0
        self._is_ended = False
        self._changed = asyncio.Event()
        self.reason = ""
        """Why it ended, once it has."""

    def put(self, item: _T) -> None:
        """Hand the item on; one put behind the end goes nowhere."""
        if self._is_ended:
            return
        if len(self._items) >= self._size:
            self._items.popleft()
            self._n_dropped += 1
        self._items.append(item)
        self._changed.set()

    def end(self, reason: str) -> None:
        """Say that nothing more comes; the reader still gets what waits. The first reason stays."""
        if not self._is_ended:
            self._is_ended, self.reason = True, reason
            self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _T | Dropped:
        while True:
            if self._n_dropped:
                n, self._n_dropped = self._n_dropped, 0
                return Dropped(n=n)
            if self._items:
                return self._items.popleft()
            if self._is_ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
