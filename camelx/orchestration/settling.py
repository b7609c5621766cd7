"""Looks now and then for cycles that ended without a word, so that whoever waits for one is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from camelx.errors import CamelxError, OrchestrationError, boundary
from camelx.orchestration.control import CycleControl

log = logging.getLogger(__name__)


@contextmanager
def settled_regularly(control: CycleControl, every_s: float = 30.0) -> Iterator[None]:
    """Close cycles whose process is gone, inside the block, from a thread of its own."""
    over = threading.Event()

    def settle() -> None:
        while not over.wait(every_s):
            try:
                # Whatever goes wrong goes wrong once: the thread has to look again.
                with boundary(OrchestrationError, "looking for cycles that ended unseen"):
                    control.settle()
            except CamelxError as e:
                log.warning("%s", e)

    thread = threading.Thread(target=settle, name="settling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
