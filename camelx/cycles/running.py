"""The life of a cycle once it is open: what every stage of it works with, how it is closed.

`opening` begins and reopens cycles. `recorded` turns a stage's body into a function of the cycle's id that
may be called again at any time: a completed stage returns its stored report, an interrupted one goes on
from the rows that it left.
"""

from __future__ import annotations

import functools
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from camelx.calls import Assignment
from camelx.config import RunConfig, Settings, parse_config, settings
from camelx.cycles.goal_sets import frozen_holdout
from camelx.cycles.holding import let_go, seconds_to_charge
from camelx.cycles.recording import record_now, recording
from camelx.errors import OrchestrationError
from camelx.runtime.clock import model_seconds
from camelx.schemas import (
    Cycle,
    CycleStatus,
    CycleStatusChanged,
    EventPayload,
    Goal,
    Launch,
    Stage,
    StageReport,
    StageStatusChanged,
    derived_seed,
    utc_now,
)
from camelx.storage import Store

STAGES = tuple(Stage)

_EVENTS_KEPT = timedelta(days=90)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CycleContext:
    """All that a stage's body needs."""

    cycle: Cycle
    config: RunConfig
    settings: Settings
    store: Store
    tell: Callable[[EventPayload], None] = lambda payload: None
    """Called with what happens, for whoever watches the cycle; it costs nothing."""

    @property
    def folder(self) -> Path:
        """Where the cycle's files go."""
        return self.settings.cycle_dir(self.cycle.id)

    @property
    def adapter_dir(self) -> Path:
        """Where the cycle's adapter goes."""
        return self.settings.adapters_dir / self.cycle.id

    @property
    def seed(self) -> int:
        """The seed of the whole cycle."""
        return derived_seed(self.config.seed, self.cycle.number)

    def assignment(self, stage: Stage) -> Assignment:
        """Return what the calls of one of the cycle's stages share."""
        settings = self.config.generation
        return Assignment(
            cycle_id=self.cycle.id,
            stage=stage,
            trace_id=self.cycle.trace_id,
            seed=self.seed,
            concurrency=settings.concurrency,
            max_failure_rate=settings.max_failure_rate,
        )

    def report(self, stage: Stage) -> StageReport:
        """Return the report of an earlier stage.

        Raises:
            OrchestrationError: That stage did not complete.
        """
        report = self.store.stage_reports(self.cycle.id).get(stage)
        if report is None or report.status is not CycleStatus.COMPLETED:
            raise OrchestrationError(
                f"cycle {self.cycle.id}: {stage} has not completed; "
                f"run `camelx cycle --cycle {self.cycle.id}`"
            )
        return report

    def heldout_goals(self) -> list[Goal]:
        """Return the frozen hold-out.

        Raises:
            EvaluationError: It is not the one that was frozen.
        """
        return frozen_holdout(self.store, self.config)


@dataclass(frozen=True)
class Outcome:
    """What a stage's body gives back; `recorded` makes the report of it."""

    counts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    model_seconds: float = 0.0
    n_model_calls: int = 0


def recorded(stage: Stage) -> Callable[[Callable[[CycleContext], Outcome]], Callable[[str], StageReport]]:
    """Make a stage of a body: it takes a cycle's id, keeps a report, and never repeats completed work."""

    def decorate(body: Callable[[CycleContext], Outcome]) -> Callable[[str], StageReport]:
        @functools.wraps(body)
        def run(cycle_id: str) -> StageReport:
            with open_store() as store:
                return _run_stage(stage, body, store, cycle_id)

        return run

    return decorate


def _run_stage(
    stage: Stage, body: Callable[[CycleContext], Outcome], store: Store, cycle_id: str
) -> StageReport:
    earlier = store.stage_reports(cycle_id).get(stage)
    if earlier is not None and earlier.status is CycleStatus.COMPLETED:
        return earlier
    cycle = store.cycle(cycle_id)
    before = (earlier.seconds, earlier.model_seconds) if earlier else (0.0, 0.0)
    begun = StageReport(cycle_id=cycle_id, stage=stage, seconds=before[0], model_seconds=before[1])
    with recording(store, cycle_id, stage) as events:
        context = CycleContext(cycle, parse_config(cycle.config), settings(), store, events.tell)
        context.folder.mkdir(parents=True, exist_ok=True)
        _keep(context, begun)
        return _run_body(body, context, begun)


def _run_body(
    body: Callable[[CycleContext], Outcome], context: CycleContext, begun: StageReport
) -> StageReport:
    start, model_start = time.perf_counter(), model_seconds()
    try:
        outcome = body(context)
    except BaseException as e:
        update = {
            "status": CycleStatus.FAILED if isinstance(e, Exception) else CycleStatus.CANCELLED,
            "seconds": begun.seconds + time.perf_counter() - start,
            "model_seconds": begun.model_seconds + model_seconds() - model_start,
            "error": _why(e),
        }
        _keep(context, begun.model_copy(update=update))
        _charge(context.store, begun.cycle_id)
        raise
    report = begun.model_copy(
        update={
            "status": CycleStatus.COMPLETED,
            "seconds": begun.seconds + time.perf_counter() - start,
            "model_seconds": begun.model_seconds + outcome.model_seconds,
            "n_model_calls": outcome.n_model_calls,
            "counts": dict(outcome.counts),
            "details": dict(outcome.details),
        }
    )
    _keep(context, report)
    _charge(context.store, begun.cycle_id)
    return report


def _keep(context: CycleContext, report: StageReport) -> None:
    """Store a stage's report, and tell who watches."""
    context.store.save_stage_report(report)
    context.tell(
        StageStatusChanged(
            stage=report.stage,
            status=report.status,
            seconds=report.seconds,
            counts=report.counts,
            error=report.error,
        )
    )


def _why(error: BaseException) -> str:
    """Return what a stage's report says of the error that ended it."""
    if not isinstance(error, Exception):  # KeyboardInterrupt, and what Prefect makes of SIGTERM
        return "stopped by Ctrl-C or SIGTERM"
    return str(error) or repr(error)


def _charge(store: Store, cycle_id: str, seconds: float | None = None) -> None:
    """Add this run's time to the cycle's: at every stage's end, as a process that is killed can't say it."""
    cycle = store.cycle(cycle_id)
    store.update_cycle(
        cycle_id,
        seconds=cycle.seconds + seconds_to_charge(cycle_id, of=seconds),
        peak_rss_mb=max(cycle.peak_rss_mb, peak_rss_mb()),
    )


def open_store() -> Store:
    """Return the database of this process's settings, brought to the newest schema."""
    return Store.open(settings().resolved_database_url)


def close_cycle(
    cycle_id: str,
    *,
    status: CycleStatus,
    seconds: float | None = None,
    error: str | None = None,
    was: Collection[CycleStatus] = (CycleStatus.QUEUED, CycleStatus.RUNNING),
    flow_run_id: str | None = None,
) -> bool:
    """Record how a cycle ended, and return whether it was open until now: who tells of it tells once.

    Args:
        cycle_id: The cycle.
        status: What it is from now on.
        seconds: Wall time of this run; None: since this process opened the cycle. It is added to
            that of earlier runs.
        error: Why it did not complete.
        was: What it must be until now; else nothing is recorded.
        flow_run_id: The run that ended; nothing is recorded where another one has the cycle by now, for a
            worker tells late of what it stopped.
    """
    with open_store() as store:
        if flow_run_id is not None and not _is_carried_out_by(store.launch(cycle_id), flow_run_id):
            return False
        now = max(utc_now(), store.cycle(cycle_id).started_at)  # a clock may be set back
        is_closed = store.move_cycle(cycle_id, was=was, status=status, error=error, finished_at=now)
        if is_closed:
            _charge(store, cycle_id, seconds)
            record_now(store, cycle_id, CycleStatusChanged(status=status, error=error))
            store.prune_events(before=now - _EVENTS_KEPT)
    let_go(cycle_id)
    return is_closed


def _is_carried_out_by(launch: Launch | None, flow_run_id: str) -> bool:
    # A process that did not come to open its cycle has not left the number of its run.
    return launch is None or launch.flow_run_id == flow_run_id or launch.pid == os.getpid()


def peak_rss_mb() -> float:
    """Return the peak resident memory of this process and of its largest ended child, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in both) * unit / 2**20
