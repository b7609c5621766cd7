"""One process per cycle: two would pay for the same calls. Called by `cycles` and by whoever shows one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from camelx.config import settings
from camelx.errors import OrchestrationError
from camelx.schemas import Cycle, CycleStatus


@dataclass
class _Hold:
    """That this process runs a cycle, and since when by the monotonic clock."""

    lock: FileLock
    since: float
    charged: float = 0.0
    """Seconds of this run that the cycle's record has already."""


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
        lock.acquire(timeout=0.5)  # who looks whether a cycle is held takes the lock for a moment
    except Timeout:
        raise OrchestrationError(
            f"cycle {cycle_id} is being run by another process; wait for it, or stop it first"
        ) from None
    _held[str(folder)] = _Hold(lock, time.monotonic())


def as_it_stands(cycle: Cycle) -> Cycle:
    """Return the cycle as cancelled where it is marked running but its process on this machine is gone."""
    if cycle.status is CycleStatus.RUNNING and _is_let_go(settings().cycle_dir(cycle.id)):
        return cycle.model_copy(
            update={"status": CycleStatus.CANCELLED, "error": "its process ended without a word"}
        )
    return cycle


def _is_let_go(folder: Path) -> bool:
    """Whether a process held the folder's lock once and none does now."""
    path = folder / ".lock"
    if str(folder) in _held or not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    lock.release()
    return True


def seconds_to_charge(cycle_id: str, *, of: float | None = None) -> float:
    """Return the seconds of this run that were not returned yet, to be added to the cycle's record.

    Args:
        cycle_id: The cycle.
        of: Wall time of the run so far; None: since this process holds the cycle, 0 where it does not.
    """
    held = _held.get(str(settings().cycle_dir(cycle_id)))
    if held is None:
        return of or 0.0
    so_far = time.monotonic() - held.since if of is None else of
    seconds = max(0.0, so_far - held.charged)
    held.charged += seconds
    return seconds


def let_go(cycle_id: str) -> None:
    """Let other processes run the cycle."""
    held = _held.pop(str(settings().cycle_dir(cycle_id)), None)
    if held is not None:
        held.lock.release()
