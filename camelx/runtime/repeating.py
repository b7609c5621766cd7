"""Does something now and then beside what a process is there for, such as looking for cycles that ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from camelx.errors import CamelxError, OrchestrationError, boundary

log = logging.getLogger(__name__)


@contextmanager
def repeated(action: Callable[[], object], every_s: float, what: str) -> Iterator[None]:
    """Call `action` at once and then every so many seconds, inside the block, from a thread of its own.

    Args:
        action: Called again even where it failed, which is logged.
        every_s: Seconds between two calls.
        what: What it does, for the log.
    """
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            try:
                # Whatever goes wrong goes wrong once: the thread has to go on.
                with boundary(OrchestrationError, what):
                    action()
            except CamelxError as e:
                log.warning("%s", e)
            over.wait(every_s)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
