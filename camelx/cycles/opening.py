"""How a cycle begins: opened at once, queued for later, or taken up again where it stopped.

`open_cycle` freezes the config, the goals and the parent version in the database before anything is paid for.
Called by the flow's first task and, for cycles that are to begin elsewhere, by `camelx.orchestration`.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from camelx.config import RunConfig, load_config, parse_config, settings
from camelx.cycles.goal_sets import choose_goals, frozen_holdout, size_notes
from camelx.cycles.holding import hold, let_go
from camelx.cycles.recording import record_now
from camelx.cycles.running import STAGES, open_store
from camelx.errors import ConfigError, OrchestrationError
from camelx.schemas import (
    AdapterVersion,
    Cycle,
    CycleStatus,
    CycleStatusChanged,
    Goal,
    Launch,
    Role,
    Split,
    Stage,
    derived_seed,
    stable_id,
    utc_now,
)
from camelx.storage import Store

log = logging.getLogger(__name__)


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
    from camelx.cycles.policies import parent_policy

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


def _set_adapter_aside(cycle_id: str) -> None:
    """Make room for another adapter of the cycle; versions that were registered have their own copy."""
    adapter = settings().adapters_dir / cycle_id
    if adapter.exists():
        n = len(list(adapter.parent.glob(f"{cycle_id}.replaced-*")))
        adapter.rename(adapter.with_name(f"{cycle_id}.replaced-{n + 1}"))


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
    from camelx.cycles.policies import champion_policy

    champion, policy = champion_policy(config)
    check_team(config.agents, policy)
    goals = choose_goals(store, config, derived_seed(config.seed, number))
    n_heldout = len(frozen_holdout(store, config))
    for note in size_notes(config.goals.model_dump(), n=len(goals), heldout_n=n_heldout):
        log.warning(note)
    return champion, goals
