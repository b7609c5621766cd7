"""How long this process was inside models: whoever runs one adds its seconds, a stage takes the difference.

So a stage that is stopped halfway still knows which part of its time was a model's. Any thread may add.
"""

from __future__ import annotations

import threading

_lock = threading.Lock()
_seconds = 0.0


def add_model_seconds(seconds: float) -> None:
    """Add the wall time of a forward pass, a generate call or a training step."""
    global _seconds
    with _lock:
        _seconds += seconds


def model_seconds() -> float:
    """Return the seconds inside models since this process began."""
    return _seconds
