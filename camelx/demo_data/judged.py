"""A cycle with everything but training: rule agents answer and review, the real stages make the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from camelx import generation, ranking, stages
from camelx.config import RunConfig
from camelx.demo_data.agents import AGENTS, RuleAgent
from camelx.demo_data.cycles import Clock, assignment_of, demo_config, demo_cycle
from camelx.demo_data.people import annotations_of
from camelx.demo_model.problems import GOAL_LEVELS, Problem, goal_of, make_problems
from camelx.runtime import progress
from camelx.schemas import (
    Comparison,
    Cycle,
    CycleStatus,
    CycleStatusChanged,
    Goal,
    Interaction,
    ProgressMade,
    Role,
    Stage,
    StageReport,
    StageStatusChanged,
    Vote,
    derived_seed,
    stable_id,
)
from camelx.storage import Store

GOALS = 24
"""Of each judged cycle."""
_PAUSE = timedelta(minutes=30)
"""Between a cycle's end and the first verdict of a person."""


def least_interactions() -> int:
    """Return how many interactions a judged cycle has at least: its proposals and executions."""
    n_proposals = sum(skill.samples for skill in AGENTS if skill.role is Role.PROPOSER)
    n_executors = sum(skill.role is Role.EXECUTOR for skill in AGENTS)
    return GOALS * n_proposals * (1 + n_executors)


def add_judged_cycle(store: Store, number: int, *, seed: int, start: datetime, n_annotated: int) -> Cycle:
    """Store a completed cycle and what people say of some of its pairs, and return it.

    The files of its stages go where those of any cycle go.

    Args:
        store: The database of this process's settings.
        number: Of the cycle.
        seed: Of the problems, the answers and the people.
        start: Of the cycle.
        n_annotated: Pairs that people judge; the others stay open.
    """
    problems = make_problems(GOALS, seed=derived_seed(seed, number), levels=GOAL_LEVELS)
    by_goal = {goal_of(problem): problem for problem in problems}
    store.add_goals(by_goal)
    config, clock = demo_config(seed), Clock(start)
    cycle = demo_cycle(number, config, list(by_goal), start)
    store.add_cycle(cycle)
    store.add_events(cycle.id, [(start, CycleStatusChanged(status=CycleStatus.RUNNING))])
    end = asyncio.run(_play(store, cycle, config, by_goal, clock))
    for stage in (stages.mutual_rank, stages.export_preference_pairs, stages.validate):
        begun, report, end = end, stage(cycle.id), clock()
        progress.report(progress.Progress(cycle.id, report.stage, 1, 1, "stage"))
        seconds = (end - begun).total_seconds()  # as the demo's clock has it
        store.save_stage_report(report.model_copy(update={"started_at": begun, "seconds": seconds}))
    known = {goal.id: problem for goal, problem in by_goal.items()}
    pairs, results = _pairs_to_judge(store, cycle.id)
    said = annotations_of(
        pairs[:n_annotated], results, known, start=end + _PAUSE, seed=derived_seed(seed, cycle.trace_id)
    )
    store.save_annotations(said)
    store.add_events(cycle.id, [(end, CycleStatusChanged(status=CycleStatus.COMPLETED))])
    return store.update_cycle(
        cycle.id, status=CycleStatus.COMPLETED, finished_at=end, seconds=(end - start).total_seconds()
    )


async def _play(
    store: Store, cycle: Cycle, config: RunConfig, by_goal: Mapping[Goal, Problem], clock: Clock
) -> datetime:
    """Let the rule agents work and review each other, through the rooms that ask models.

    Returns:
        When their work was done, and the reviews began.
    """
    known = {problem.text: problem for problem in by_goal.values()}
    team = [RuleAgent(skill, known) for skill in AGENTS]
    begun, stamped = clock(), list[Interaction]()
    rows = await generation.generate_interactions(
        list(by_goal),
        proposers=[agent for agent in team if agent.role is Role.PROPOSER],
        executors=[agent for agent in team if agent.role is Role.EXECUTOR],
        assignment=assignment_of(cycle, config, Stage.GENERATE),
        done={},
        save=lambda row: stamped.append(clock.stamped(row)),
    )
    store.save_interactions(stamped)
    ended = clock()
    report = generation_report(cycle, len(by_goal), rows, begun, ended)
    store.save_stage_report(report)
    store.add_events(cycle.id, _events_of(report, begun, ended))
    turns: list[tuple[list[Vote], Interaction]] = []
    sitting = ranking.Sitting(
        goals={goal.id: goal for goal in by_goal},
        results={row.id: row for row in rows if row.error is None},
        judges={agent.name: agent for agent in team if agent.role is Role.PEER_REVIEWER},
        assignment=assignment_of(cycle, config, Stage.RANK),
        save=lambda votes, turn: turns.append(clock.stamped_turn(votes, turn)),
    )
    await ranking.hold_reviews(sitting, config.ranking)
    store.save_interactions(turn for _, turn in turns)
    store.save_votes(vote for votes, _ in turns for vote in votes)
    return ended


def generation_report(
    cycle: Cycle, n_goals: int, rows: Sequence[Interaction], begun: datetime, ended: datetime
) -> StageReport:
    """Return the report of a stage whose interactions are there already."""
    return StageReport(
        cycle_id=cycle.id,
        stage=Stage.GENERATE,
        status=CycleStatus.COMPLETED,
        started_at=begun,
        seconds=(ended - begun).total_seconds(),
        counts={
            "goals": n_goals,
            "proposals": sum(row.role is Role.PROPOSER for row in rows),
            "executions": sum(row.role is Role.EXECUTOR for row in rows),
            "failed": sum(row.error is not None for row in rows),
            "completion_tokens": sum(row.completion_tokens for row in rows),
        },
        details={"origin": "demo-data"},
    )


def _events_of(
    report: StageReport, begun: datetime, ended: datetime
) -> list[tuple[datetime, StageStatusChanged | ProgressMade]]:
    """Return what a watcher of the stage would have seen; the other stages tell it themselves."""
    n = report.counts["proposals"] + report.counts["executions"]
    return [
        (begun, StageStatusChanged(stage=report.stage, status=CycleStatus.RUNNING)),
        (ended, ProgressMade(stage=report.stage, done=n, total=n, unit="interactions")),
        (
            ended,
            StageStatusChanged(
                stage=report.stage,
                status=report.status,
                seconds=report.seconds,
                counts=report.counts,
            ),
        ),
    ]


def _pairs_to_judge(store: Store, cycle_id: str) -> tuple[list[Comparison], dict[str, Interaction]]:
    """Return the comparisons of different texts that answer the same messages, in a mixed order."""
    pairs = store.comparisons(cycle_id)
    results = store.interactions_by_id({i for pair in pairs for i in (pair.first_id, pair.second_id)})

    def can_be_judged(pair: Comparison) -> bool:
        first, second = results[pair.first_id], results[pair.second_id]
        return first.completion != second.completion and first.prompt_key == second.prompt_key

    mixed = sorted(pairs, key=lambda pair: stable_id("judged", pair.first_id, pair.second_id))
    return [pair for pair in mixed if can_be_judged(pair)], results
