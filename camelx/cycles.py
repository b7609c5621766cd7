"""The life of a cycle: opening, resuming and closing it, and what every stage of it works with.

`open_cycle` freezes the config, the goals and the parent version in the database before anything is paid
for. `recorded` turns a stage's body into a function of the cycle's id that may be called again at any time:
a completed stage returns its stored report, an interrupted one goes on from the rows that it left.
"""

from __future__ import annotations

import functools
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camelx.calls import Assignment
from camelx.config import RunConfig, Settings, load_config, parse_config, settings
from camelx.errors import ConfigError, OrchestrationError
from camelx.holding import held_seconds, hold, let_go
from camelx.schemas import (
    AdapterVersion,
    Cycle,
    CycleStatus,
    Goal,
    Holdout,
    Role,
    Split,
    Stage,
    StageReport,
    derived_seed,
    stable_id,
    utc_now,
)
from camelx.storage import Store

STAGES = tuple(Stage)


@dataclass(frozen=True)
class CycleContext:
    """All that a stage's body needs."""

    cycle: Cycle
    config: RunConfig
    settings: Settings
    store: Store

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
    context = CycleContext(cycle, parse_config(cycle.config), settings(), store)
    context.folder.mkdir(parents=True, exist_ok=True)
    before = (earlier.seconds, earlier.model_seconds) if earlier else (0.0, 0.0)
    report = StageReport(cycle_id=cycle_id, stage=stage, seconds=before[0], model_seconds=before[1])
    store.save_stage_report(report)
    start = time.perf_counter()
    try:
        outcome = body(context)
    except BaseException as e:
        status = CycleStatus.FAILED if isinstance(e, Exception) else CycleStatus.CANCELLED
        seconds = before[0] + time.perf_counter() - start
        message = str(e) or type(e).__name__
        store.save_stage_report(
            report.model_copy(update={"status": status, "seconds": seconds, "error": message})
        )
        raise
    report = report.model_copy(
        update={
            "status": CycleStatus.COMPLETED,
            "seconds": before[0] + time.perf_counter() - start,
            "model_seconds": before[1] + outcome.model_seconds,
            "n_model_calls": outcome.n_model_calls,
            "counts": dict(outcome.counts),
            "details": dict(outcome.details),
        }
    )
    store.save_stage_report(report)
    return report


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
) -> str:
    """Make a cycle, or reopen one, and return its id.

    Args:
        config_path: The cycle.yaml of a new cycle; an existing one keeps the config it started with.
        overrides: Values by dotted key that win over the file.
        cycle_id: Reopen this cycle.
        resume: Reopen the latest cycle that was begun and did not complete.
        from_stage: Forget the reports of this stage and of all later ones, so that they run again. Model
            calls that were answered are still not made again.

    Raises:
        ConfigError: The config, a goal source or an option is wrong.
        OrchestrationError: There is no such cycle, or nothing to resume.
        AgentError: A model server that the config names can't be reached.
    """
    with open_store() as store:
        if cycle_id is None and not resume:
            if from_stage not in (None, STAGES[0]):
                raise ConfigError(f"--from {from_stage} needs --cycle ID: a new cycle starts at {STAGES[0]}")
            new = _new_cycle(store, Path(config_path), overrides)
            hold(new.id)
            return new.id
        if overrides:
            raise ConfigError(
                f"a cycle keeps the config it started with; drop {', '.join(overrides)} or start a new cycle"
            )
        cycle = store.cycle(cycle_id) if cycle_id else _unfinished(store)
        again = _from(from_stage) if from_stage else ()
        _check_models(store, cycle, again)
        hold(cycle.id)
        if Stage.TRAIN in again:
            _set_adapter_aside(cycle.id)
        store.forget_stage_reports(cycle.id, again)
        store.update_cycle(cycle.id, status=CycleStatus.RUNNING, error=None, finished_at=None)
        return cycle.id


def close_cycle(
    cycle_id: str, *, status: CycleStatus, seconds: float | None = None, error: str | None = None
) -> None:
    """Record how a cycle ended.

    Args:
        cycle_id: The cycle.
        status: What it is from now on.
        seconds: Wall time of this run; None: since this process opened the cycle. It is added to
            that of earlier runs.
        error: Why it did not complete.
    """
    with open_store() as store:
        cycle = store.cycle(cycle_id)
        store.update_cycle(
            cycle_id,
            status=status,
            error=error,
            finished_at=utc_now(),
            seconds=cycle.seconds + (held_seconds(cycle_id) if seconds is None else seconds),
            peak_rss_mb=max(cycle.peak_rss_mb, peak_rss_mb()),
        )
    let_go(cycle_id)


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
    for cycle in reversed(store.cycles()):
        # An imported cycle comes with the report of its first stage: it was begun where it has another.
        is_begun = cycle.origin == "run" or len(store.stage_reports(cycle.id)) > 1
        if is_begun and cycle.status is not CycleStatus.COMPLETED:
            return cycle
    raise OrchestrationError(
        "nothing to resume: every cycle that was begun has completed; start one with `camelx cycle`, or an "
        "imported one with `camelx cycle --cycle ID`"
    )


def _check_models(store: Store, cycle: Cycle, again: Sequence[Stage]) -> None:
    """Check the backends of the agents that the stages still to be done, or done again, will ask."""
    from camelx.agents import check_team
    from camelx.policies import parent_policy

    config, reports = parse_config(cycle.config), store.stage_reports(cycle.id)
    done = {stage for stage, report in reports.items() if report.status is CycleStatus.COMPLETED}
    left = {stage for stage in STAGES if stage in again or stage not in done}
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


def _new_cycle(store: Store, config_path: Path, overrides: Mapping[str, Any] | None) -> Cycle:
    from camelx.agents import check_team
    from camelx.evaluation import make_verifier
    from camelx.policies import champion_policy

    config = load_config(config_path, overrides)
    champion, policy = champion_policy(config)
    check_team(config.agents, policy)
    make_verifier(config.evaluation)
    number = store.next_cycle_number()
    goals = _choose_goals(store, config, derived_seed(config.seed, number))
    cycle = new_cycle(number, config, config_path, champion, goals)
    store.add_cycle(cycle)
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


def frozen_holdout(store: Store, config: RunConfig) -> list[Goal]:
    """Return the goals that every cycle of this source is evaluated on; the first call freezes them.

    Raises:
        ConfigError: There are none to freeze.
        EvaluationError: They changed since.
    """
    from camelx.evaluation import check_holdout, holdout_hash

    name = f"{config.goals.source}-{config.goals.heldout_n}"
    if store.holdout(name) is None:
        goals = _heldout_candidates(store, config)
        ids = tuple(goal.id for goal in goals)
        store.freeze_holdout(Holdout(name=name, sha256=holdout_hash(goals), goal_ids=ids))
    holdout = store.holdout(name)
    assert holdout is not None
    goals = store.goals(ids=holdout.goal_ids)
    check_holdout(goals, holdout.sha256)
    return goals


def _heldout_candidates(store: Store, config: RunConfig) -> list[Goal]:
    if config.goals.source == "demo":
        from camelx.demo_model.problems import demo_goals

        goals = demo_goals(config.goals.heldout_n, seed=0, split=Split.HELDOUT)
        store.add_goals(goals)
        return goals
    goals = [goal for goal in store.goals(split=Split.HELDOUT) if goal.source != "demo"]
    if len(goals) < 2:
        raise ConfigError(
            f"the hold-out has {len(goals)} goals, expected at least 2: import some with "
            "`camelx import goals FILE --split heldout`, or part of a file with --heldout-share 0.2"
        )
    return goals[: config.goals.heldout_n]


def _choose_goals(store: Store, config: RunConfig, seed: int) -> list[Goal]:
    """Return the goals of a new cycle: fresh problems, or those that the fewest cycles have worked on."""
    levels = _open_levels(store, config)
    heldout = frozen_holdout(store, config)
    if config.goals.source == "demo":
        from camelx.demo_model.problems import GOAL_LEVELS, demo_goals

        texts = {goal.text for goal in heldout}
        goals = demo_goals(
            config.goals.n, seed=seed, levels=levels or GOAL_LEVELS, split=Split.TRAIN, exclude=texts
        )
        store.add_goals(goals)
        return goals
    goals = store.goals_for_cycle(config.goals.n, levels=levels, not_source="demo")
    if not goals:
        raise ConfigError(
            "the database holds no goals to train on; import some with `camelx import goals FILE`, "
            "or set goals.source to demo"
        )
    return goals


def _open_levels(store: Store, config: RunConfig) -> list[int] | None:
    """Return the levels that goals may come from; None: all, as nothing is known yet or all are mastered."""
    for cycle in reversed(store.cycles()):
        known = parse_config(cycle.config)
        if (known.goals.source, known.policy) != (config.goals.source, config.policy):
            continue
        report = store.stage_reports(cycle.id).get(Stage.EVALUATE)
        if report is None or report.status is not CycleStatus.COMPLETED:
            continue
        accuracy = {int(level): score for level, score in report.details.get("levels", {}).items()}
        below = [level for level, score in accuracy.items() if score < config.goals.mastered_at]
        return [level for level in sorted(accuracy) if level <= min(below)] if below else None
    return None
