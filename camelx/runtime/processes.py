"""Whether a process of this machine, which a record names by number and beginning, is still that process."""

from __future__ import annotations

import psutil


def began_at(pid: int) -> float | None:
    """Return when the process began, by this machine's clock; None: it is gone."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int, began: float | None) -> bool:
    """Whether the process runs; one that got its number later is another."""
    try:
        process = psutil.Process(pid)
        is_same = began is None or abs(process.create_time() - began) < 1
        return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's, so it is there
        return True
