"""The life of a cycle: opening, resuming and closing it, and what every stage of it works with.

`open_cycle` freezes the config, the goals and the parent version in the database before anything is paid
for. `recorded` turns a stage's body into a function of the cycle's id that may be called again at any time:
a completed stage returns its stored report, an interrupted one goes on from the rows that it left.
"""

from __future__ import annotations

import functools
import logging
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from camelx.calls import Assignment
from camelx.clock import model_seconds
from camelx.config import RunConfig, Settings, load_config, parse_config, settings
from camelx.errors import ConfigError, OrchestrationError
from camelx.goal_sets import choose_goals, frozen_holdout, size_notes
from camelx.holding import hold, let_go, seconds_to_charge
from camelx.recording import record_now, recording
from camelx.schemas import (
    AdapterVersion,
    Cycle,
    CycleStatus,
    CycleStatusChanged,
    EventPayload,
    Goal,
    Launch,
    Role,
    Split,
    Stage,
    StageReport,
    StageStatusChanged,
    derived_seed,
    stable_id,
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


def open_cycle(
    config_path: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    cycle_id: str | None = None,
    resume: bool = False,
    from_stage: str | None = None,
    queued_only: bool = False,
    flow_run_id: str | None = None,
) -> str:
    """Make a cycle, or reopen one, and return its id.

    Args:
        config_path: The cycle.yaml of a new cycle; an existing one keeps the config it started with.
        overrides: Values by dotted key that win over the file.
        cycle_id: Reopen this cycle.
        resume: Reopen the latest cycle that was begun and did not complete.
        from_stage: Forget the reports of this stage and of all later ones, so that they run again. Model
            calls that were answered are still not made again.
        queued_only: Begin the cycle that `cycle_id` names only if it still waits in the queue: it may have
            been cancelled since this process was started for it.
        flow_run_id: The run in Prefect that carries it out.

    Raises:
        ConfigError: The config, a goal source or an option is wrong.
        OrchestrationError: There is nothing to resume, another process runs the cycle, or it is not queued
            any more.
        AgentError: A model server that the config names can't be reached.
    """
    check_options(overrides, cycle_id, resume, from_stage)
    with open_store() as store:
        if cycle_id is None and not resume:
            new = _new_cycle(store, Path(config_path), overrides)
            hold(new.id)
            _note_process(store, new.id, flow_run_id)
            record_now(store, new.id, CycleStatusChanged(status=CycleStatus.RUNNING))
            return new.id
        cycle = store.cycle(cycle_id) if cycle_id else _unfinished(store)
        again = _from(from_stage) if from_stage else ()
        _take(store, cycle, again, queued_only)
        _note_process(store, cycle.id, flow_run_id)
        if Stage.TRAIN in again:
            _set_adapter_aside(cycle.id)
        # The first time of what is done again goes with its report: it would look like overhead.
        forgotten = sum(r.seconds for stage, r in store.stage_reports(cycle.id).items() if stage in again)
        store.forget_stage_reports(cycle.id, again)
        left = max(0.0, store.cycle(cycle.id).seconds - forgotten)
        store.update_cycle(cycle.id, status=CycleStatus.RUNNING, error=None, finished_at=None, seconds=left)
        record_now(store, cycle.id, CycleStatusChanged(status=CycleStatus.RUNNING))
        return cycle.id


def check_options(
    overrides: Mapping[str, Any] | None, cycle_id: str | None, resume: bool, from_stage: str | None
) -> None:
    """Check what `open_cycle` can't do whatever is stored.

    Raises:
        ConfigError: There is no such stage, or these options don't go together.
    """
    again = _from(from_stage) if from_stage else STAGES
    if cycle_id is None and not resume and again != STAGES:
        raise ConfigError(f"--from {from_stage} needs --cycle ID: a new cycle starts at {STAGES[0]}")
    if (cycle_id or resume) and overrides:
        raise ConfigError(
            f"a cycle keeps the config it started with; drop {', '.join(overrides)} or start a new cycle"
        )


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


def _set_adapter_aside(cycle_id: str) -> None:
    """Make room for another adapter of the cycle; versions that were registered have their own copy."""
    adapter = settings().adapters_dir / cycle_id
    if adapter.exists():
        n = len(list(adapter.parent.glob(f"{cycle_id}.replaced-*")))
        adapter.rename(adapter.with_name(f"{cycle_id}.replaced-{n + 1}"))


def _unfinished(store: Store) -> Cycle:
    # An imported cycle comes with the report of its first stage: it was begun where it has another.
    open_cycles = [
        cycle
        for cycle in reversed(store.cycles())
        if cycle.status not in (CycleStatus.COMPLETED, CycleStatus.QUEUED)
        and (cycle.origin == "run" or len(store.stage_reports(cycle.id)) > 1)
    ]
    if len(open_cycles) > 1:
        others = ", ".join(cycle.id for cycle in open_cycles[1:])
        log.warning("going on with %s; unfinished too: %s (--cycle ID)", open_cycles[0].id, others)
    if open_cycles:
        return open_cycles[0]
    raise OrchestrationError(
        "nothing to resume: every cycle that was begun has completed; start one with `camelx cycle`, or an "
        "imported one with `camelx cycle --cycle ID`"
    )


def _check_what_is_left(store: Store, cycle: Cycle, again: Sequence[Stage]) -> None:
    """Check the hold-out and the backends that the stages still to be done, or done again, will ask."""
    from camelx.agents import check_team
    from camelx.policies import parent_policy

    config, reports = parse_config(cycle.config), store.stage_reports(cycle.id)
    done = {stage for stage, report in reports.items() if report.status is CycleStatus.COMPLETED}
    left = {stage for stage in STAGES if stage in again or stage not in done}
    if Stage.EVALUATE in left:
        frozen_holdout(store, config)
    agents = config.agents.agents
    if cycle.origin == "import" or not left & {Stage.GENERATE, Stage.RANK}:
        # A server that only gave answers and votes may be gone by now, to leave its GPU to the training.
        judged = any(goal.answer is None for goal in store.goals(split=Split.HELDOUT))
        asked = {*Role} - {*config.export.roles} - ({Role.PEER_REVIEWER} if not judged else set())
        agents = tuple(agent for agent in agents if agent.role in asked)
    if agents and Stage.EVALUATE in left:
        asking = config.agents.model_copy(update={"agents": agents})
        check_team(asking, parent_policy(config, cycle.parent_version))


def _from(name: str) -> Sequence[Stage]:
    if name not in STAGES:
        raise ConfigError(f"unknown stage {name!r}; stages are {', '.join(STAGES)}")
    return STAGES[STAGES.index(Stage(name)) :]


def queue_cycle(
    store: Store,
    config_path: Path,
    *,
    overrides: Mapping[str, Any] | None,
    requested_by: str,
    trace_id: str | None = None,
    ended: Collection[str] = (),
) -> Cycle:
    """Make the record of a cycle that is to be begun by `open_cycle` with `queued_only`, and return it.

    What can be wrong with the config is said here; the champion and the goals are looked up when the cycle
    begins, for that may be later.

    Args:
        store: The database.
        config_path: A cycle.yaml.
        overrides: Values by dotted key that win over the file.
        requested_by: Who asks.
        trace_id: Of the request, kept with every interaction of the cycle; None: a new one.
        ended: Cycles that are marked running though their process is gone.

    Raises:
        ConfigError: The config or an override is wrong.
        ConflictError: Another cycle is queued or runs.
    """
    config = _checked_config(config_path, overrides)

    def make(number: int) -> Cycle:
        cycle = new_cycle(number, config, config_path, None, ())
        changes = {"status": CycleStatus.QUEUED} | ({"trace_id": trace_id} if trace_id else {})
        return cycle.model_copy(update=changes)

    cycle = store.queue_cycle(make, requested_by=requested_by, ended=ended)
    record_now(store, cycle.id, CycleStatusChanged(status=CycleStatus.QUEUED))
    return cycle


def _checked_config(config_path: Path, overrides: Mapping[str, Any] | None) -> RunConfig:
    from camelx.evaluation import make_verifier

    config = load_config(config_path, overrides)
    config.check_judges_write()
    make_verifier(config.evaluation)
    return config


def _new_cycle(store: Store, config_path: Path, overrides: Mapping[str, Any] | None) -> Cycle:
    config = _checked_config(config_path, overrides)
    number = store.next_cycle_number()
    champion, goals = _start_of(store, config, number)
    cycle = new_cycle(number, config, config_path, champion, goals)
    store.add_cycle(cycle)
    return cycle


def _start_of(store: Store, config: RunConfig, number: int) -> tuple[AdapterVersion | None, list[Goal]]:
    """Return what a cycle of that number starts from (None: the base) and works on, all checked."""
    from camelx.agents import check_team
    from camelx.policies import champion_policy

    champion, policy = champion_policy(config)
    check_team(config.agents, policy)
    goals = choose_goals(store, config, derived_seed(config.seed, number))
    n_heldout = len(frozen_holdout(store, config))
    for note in size_notes(config.goals.model_dump(), n=len(goals), heldout_n=n_heldout):
        log.warning(note)
    return champion, goals


def _take(store: Store, cycle: Cycle, again: Sequence[Stage], queued_only: bool) -> None:
    """Make a stored cycle this process's, if what it still has to ask is there."""
    if queued_only:
        _require_queued(cycle)
    is_new = cycle.origin == "run" and not (cycle.goal_ids or store.stage_reports(cycle.id))
    if not is_new:
        _check_what_is_left(store, cycle, again)
    hold(cycle.id)
    if is_new:
        _fill(store, cycle)
    if queued_only and not store.move_cycle(cycle.id, was=[CycleStatus.QUEUED], status=CycleStatus.RUNNING):
        let_go(cycle.id)
        _require_queued(store.cycle(cycle.id))


def _fill(store: Store, cycle: Cycle) -> None:
    """Give a cycle that was queued its champion and its goals: it begins now."""
    champion, goals = _start_of(store, parse_config(cycle.config), cycle.number)
    store.update_cycle(
        cycle.id,
        parent_version=champion.version if champion else None,
        goal_ids=tuple(goal.id for goal in goals),
        started_at=utc_now(),
        finished_at=None,
    )


def _require_queued(cycle: Cycle) -> None:
    if cycle.status is not CycleStatus.QUEUED:
        raise OrchestrationError(
            f"cycle {cycle.id} is not queued any more: it is {cycle.status}"
            + (f" ({cycle.error})" if cycle.error else "")
        )


def _note_process(store: Store, cycle_id: str, flow_run_id: str | None) -> None:
    """Keep which process runs the cycle, so that whoever wants to stop it finds it."""
    asked = store.launch(cycle_id) or Launch(cycle_id=cycle_id, requested_by="command line")
    process = psutil.Process()
    update = {
        "host": socket.gethostname(),
        "pid": process.pid,
        "process_began": process.create_time(),
        "flow_run_id": flow_run_id,
        "cancel_asked_at": None,
    }
    store.save_launch(asked.model_copy(update=update))


def new_cycle(
    number: int, config: RunConfig, config_path: Path, champion: AdapterVersion | None, goals: Sequence[Goal]
) -> Cycle:
    """Return the record of a cycle that starts from the champion (None: from the base)."""
    return Cycle(
        id=f"c{number}",
        number=number,
        config=config.model_dump(mode="json"),
        config_path=str(config_path),
        parent_version=champion.version if champion else None,
        trace_id=stable_id("trace", number, utc_now().isoformat()),
        goal_ids=tuple(goal.id for goal in goals),
    )
