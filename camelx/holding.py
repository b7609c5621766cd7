"""One process per cycle: two would pay for the same calls. Called by `camelx.cycles`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from filelock import FileLock, Timeout

from camelx.config import settings
from camelx.errors import OrchestrationError


@dataclass(frozen=True)
class _Hold:
    """That this process runs a cycle, and since when by the monotonic clock."""

    lock: FileLock
    since: float


_held: dict[str, _Hold] = {}
"""The cycles that this process runs; the system frees their locks when it ends, however it ends."""


def hold(cycle_id: str) -> None:
    """Make sure that no other process runs the cycle; a cycle that is held already stays so.

    Raises:
        OrchestrationError: Another process does.
    """
    folder = settings().cycle_dir(cycle_id)
    if str(folder) in _held:
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OrchestrationError(
            f"cycle {cycle_id} is being run by another process; wait for it, or stop it first"
        ) from None
    _held[str(folder)] = _Hold(lock, time.monotonic())


def held_seconds(cycle_id: str) -> float:
    """Return for how long this process has held the cycle; 0 where it does not."""
    held = _held.get(str(settings().cycle_dir(cycle_id)))
    return time.monotonic() - held.since if held else 0.0


def let_go(cycle_id: str) -> None:
    """Let other processes run the cycle."""
    held = _held.pop(str(settings().cycle_dir(cycle_id)), None)
    if held is not None:
        held.lock.release()
