"""Keeps what happens in a cycle as numbered events: beside the work, never in its way.

In: what a stage tells, the progress it reports, the lines that camelx logs meanwhile. Out: `CycleEvent`s in
the database, for pages, WebSockets and programs. Called by `camelx.cycles`, in whichever process runs the
cycle. An event that can't be stored is lost, and that is said once; the cycle goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from camelx.errors import StorageError
from camelx.runtime import progress
from camelx.runtime.logs import without_secrets
from camelx.schemas import EventPayload, LogLine, ProgressMade, Stage, utc_now
from camelx.storage import Store

log = logging.getLogger(__name__)

_WRITE_EVERY_S = 0.5
"""Also what keeps progress to two events a second."""
_MOST_WAITING = 10_000
"""Events kept while the database takes none; the oldest go first."""
_CLOSE_WITHIN_S = 10.0
_LONGEST_LINE = 4_000

_Happened = tuple[datetime, EventPayload]


@contextmanager
def recording(store: Store, cycle_id: str, stage: Stage) -> Iterator[EventRecorder]:
    """Record what happens inside the block, which runs a stage; at its end all of it is stored."""
    recorder = EventRecorder(store, cycle_id, stage)
    lines = _LogLines(recorder)
    logger = logging.getLogger("camelx")
    logger.addHandler(lines)
    try:
        with progress.listening(recorder.listen):
            yield recorder
    finally:
        logger.removeHandler(lines)
        recorder.close()


def record_now(store: Store, cycle_id: str, *payloads: EventPayload) -> None:
    """Store what happened outside of any stage, at once."""
    _is_written(store, cycle_id, [(utc_now(), payload) for payload in payloads])


class EventRecorder:
    """Writes the events of one stage from a thread of its own, in batches.

    Args:
        store: Where to.
        cycle_id: The cycle.
        stage: Whose reports of progress to keep.
    """

    def __init__(self, store: Store, cycle_id: str, stage: Stage) -> None:
        self.cycle_id, self.stage = cycle_id, stage
        self._store = store
        self._waiting: deque[_Happened] = deque(maxlen=_MOST_WAITING)
        self._newest: _Happened | None = None
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"events of {cycle_id}", daemon=True)
        self._thread.start()

    def tell(self, payload: EventPayload) -> None:
        """Keep what happened just now; returns at once."""
        with self._lock:
            self._waiting.append((utc_now(), payload))

    def listen(self, report: progress.Progress) -> None:
        """Keep how far the stage is; of several reports between two writes the last one counts."""
        if (report.cycle_id, report.stage) != (self.cycle_id, self.stage):
            return
        made = ProgressMade(stage=self.stage, done=report.done, total=report.total, unit=report.unit)
        with self._lock:
            self._newest = (utc_now(), made)

    def close(self) -> None:
        """Return once everything told is stored, or a database that takes nothing has had its time."""
        self._is_over.set()
        self._thread.join(_CLOSE_WITHIN_S)

    def _run(self) -> None:
        is_last = has_failed = False
        while not is_last:
            is_last = self._is_over.wait(_WRITE_EVERY_S)
            batch = self._take()
            if batch and not _is_written(self._store, self.cycle_id, batch, is_silent=has_failed):
                has_failed = True

    def _take(self) -> list[_Happened]:
        with self._lock:
            batch = [*self._waiting, *([self._newest] if self._newest else [])]
            self._waiting.clear()
            self._newest = None
        return sorted(batch, key=lambda happened: happened[0])


def _is_written(
    store: Store, cycle_id: str, happened: Sequence[_Happened], *, is_silent: bool = False
) -> bool:
    try:
        store.add_events(cycle_id, happened)
    except StorageError as e:
        if not is_silent:
            log.warning("whoever watches cycle %s misses what happens: %s", cycle_id, e)
        return False
    return True


class _LogLines(logging.Handler):
    """Turns the lines that camelx logs into events, its own complaints excepted."""

    def __init__(self, recorder: EventRecorder) -> None:
        super().__init__(logging.INFO)
        self._recorder = recorder

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == __name__:
            return
        try:
            message = without_secrets(record.getMessage()[:_LONGEST_LINE])
        except (TypeError, ValueError):  # arguments that do not fit the line
            self.handleError(record)
            return
        is_error, is_warning = record.levelno >= logging.ERROR, record.levelno >= logging.WARNING
        level = "ERROR" if is_error else "WARNING" if is_warning else "INFO"
        self._recorder.tell(
            LogLine.model_validate(
                {"level": level, "message": message, "stage": self._recorder.stage, "logger": record.name}
            )
        )
