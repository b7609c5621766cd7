"""How far a stage is: rooms and stages report, whoever shows it listens.

The command line draws a bar, the Prefect task updates an artifact, a server tells its WebSocket clients;
none of them is known here. Reports are cheap and may come from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report: `done` of `total` items of a stage."""

    cycle_id: str
    stage: str
    done: int
    total: int
    unit: str = "items"


Listener = Callable[[Progress], None]

_listeners: list[Listener] = []


def report(progress: Progress) -> None:
    """Tell all listeners."""
    for listener in tuple(_listeners):
        listener(progress)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` with every report made inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
