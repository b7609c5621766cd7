"""Earlier cycles that are only long: proposals and executions by the hundred thousand, not judged."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from camelx.config import RunConfig
from camelx.demo_data.agents import AGENTS, MODEL, SYSTEMS, Skill, plan_of, solution_of
from camelx.demo_data.cycles import demo_cycle
from camelx.demo_data.judged import generation_report
from camelx.demo_model.problems import GOAL_LEVELS, Problem, goal_of, make_problems
from camelx.generation import interaction_id
from camelx.prompts import execution_messages, proposal_messages
from camelx.runtime import progress
from camelx.schemas import Cycle, CycleStatus, Goal, Interaction, Message, Role, Stage, derived_seed
from camelx.storage import PlayedCycle, Store

_PROPOSERS = [skill for skill in AGENTS if skill.role is Role.PROPOSER]
_EXECUTORS = [skill for skill in AGENTS if skill.role is Role.EXECUTOR]
_PER_GOAL = sum(skill.samples for skill in _PROPOSERS) * (1 + len(_EXECUTORS))
_GOALS = 1_700
"""Of a whole cycle: some 20,000 interactions, one transaction."""
_LENGTH = timedelta(hours=4)
"""Of one cycle."""
_FAILED = 0.004
_MARGIN = 1.01
"""A proposal that failed has no executions."""
_NOT_RANKED = "demo data: interactions alone, nothing of it was reviewed"


def add_history(store: Store, config: RunConfig, n: int, *, end: datetime) -> int:
    """Store cycles with at least `n` interactions in all, or none of them, and return how many there are.

    The database must hold no interactions. The cycles are cancelled behind their first stage, as rounds are
    that were imported and not gone on with.

    Args:
        store: The database.
        config: Of all the cycles.
        n: Interactions; 0 stores nothing.
        end: When the last of the cycles ended.
    """
    n_goals = math.ceil(_MARGIN * n / _PER_GOAL) + 3 if n else 0
    sizes = [min(_GOALS, n_goals - done) for done in range(0, n_goals, _GOALS)]
    first, n_added = store.next_cycle_number(), 0

    def played() -> Iterator[PlayedCycle]:
        nonlocal n_added
        for i, size in enumerate(sizes):
            start = end - (len(sizes) - i) * 2 * _LENGTH
            cycle, rows = _long_cycle(first + i, config, size, start)
            yield cycle
            n_added += len(rows)
            done = sum(sizes[: i + 1])
            progress.report(progress.Progress("", "earlier cycles", done, n_goals, "goals"))

    if sizes:
        store.add_first_cycles(played())
    return n_added


def _long_cycle(
    number: int, config: RunConfig, n_goals: int, start: datetime
) -> tuple[PlayedCycle, list[Interaction]]:
    """Return the cycle, and its interactions."""
    problems = make_problems(n_goals, seed=derived_seed(config.seed, number), levels=GOAL_LEVELS)
    goals = [goal_of(problem) for problem in problems]
    cycle = demo_cycle(number, config, goals, start)
    rng = random.Random(derived_seed(config.seed, cycle.trace_id))
    rows: list[Interaction] = []
    for i, (goal, problem) in enumerate(zip(goals, problems, strict=True)):
        rows += _rows_of_goal(rng, cycle, goal, problem, start + i * _LENGTH / n_goals)
    end = start + _LENGTH
    ended = cycle.model_copy(
        update={
            "status": CycleStatus.CANCELLED,
            "finished_at": end,
            "seconds": _LENGTH.total_seconds(),
            "error": _NOT_RANKED,
        }
    )
    report = generation_report(cycle, n_goals, rows, start, end)
    return PlayedCycle(ended, goals, rows, (), (), report), rows


def _rows_of_goal(
    rng: random.Random, cycle: Cycle, goal: Goal, problem: Problem, moment: datetime
) -> Iterator[Interaction]:
    """Yield the goal's proposals, each before its executions."""
    asked = proposal_messages(SYSTEMS[Role.PROPOSER], goal.text)
    for proposer in _PROPOSERS:
        for sample in range(proposer.samples):
            plan = _row(
                rng, cycle, goal, proposer, sample, None, asked, plan_of(rng, proposer, problem), moment
            )
            yield plan
            if plan.error is not None:
                continue
            told = execution_messages(SYSTEMS[Role.EXECUTOR], goal.text, plan.completion)
            for executor in _EXECUTORS:
                text = solution_of(rng, executor, problem, plan.completion)
                yield _row(rng, cycle, goal, executor, 0, plan.id, told, text, moment)


def _row(
    rng: random.Random,
    cycle: Cycle,
    goal: Goal,
    skill: Skill,
    sample: int,
    parent_id: str | None,
    messages: tuple[Message, ...],
    text: str,
    moment: datetime,
) -> Interaction:
    item_id = interaction_id(cycle.id, Stage.GENERATE, goal.id, skill.name, parent_id, sample)
    has_failed = rng.random() < _FAILED
    n_tokens = 0 if has_failed else len(text) // 4 + 1
    return Interaction(
        id=item_id,
        cycle_id=cycle.id,
        stage=Stage.GENERATE,
        goal_id=goal.id,
        agent=skill.name,
        role=skill.role,
        parent_id=parent_id,
        sample=sample,
        model=MODEL,
        messages=messages,
        completion="" if has_failed else text,
        finish_reason=None if has_failed else "stop",
        prompt_tokens=len(messages[-1].content) // 4,
        completion_tokens=n_tokens,
        latency_s=round(0.011 * n_tokens * (0.7 + 0.9 * rng.random()), 3),
        error="timeout after 120 s (demo data)" if has_failed else None,
        trace_id=cycle.trace_id,
        created_at=moment + timedelta(seconds=rng.random()),
    )
