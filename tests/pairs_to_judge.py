"""A ranked cycle with many pairs that people can judge, made without a model."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

from camelx.prompts import execution_messages, proposal_messages
from camelx.schemas import (
    Comparison,
    Cycle,
    CycleStatus,
    Goal,
    Interaction,
    Role,
    Stage,
    StageReport,
    Verdict,
    Vote,
    stable_id,
)
from camelx.storage import Store

REVIEWERS = ("ada", "ben")


def add_pairs_to_judge(
    store: Store, n_goals: int = 6, *, cycle_id: str = "c1", number: int = 1, n_answers: int = 3
) -> None:
    """Store a ranked cycle: of each goal a proposal, its executions, every pair of these compared.

    Goals are in turn of the categories "sums" and "words". Reviewer ada prefers the earlier answer of a pair,
    ben calls every other pair the other way round.
    """
    goals = [
        Goal.new(f"Goal {i}: how much is {i} + {i}?", category=("sums", "words")[i % 2])
        for i in range(n_goals)
    ]
    store.add_goals(goals)
    store.add_cycle(
        Cycle(
            id=cycle_id,
            number=number,
            config={},
            trace_id="t",
            goal_ids=tuple(goal.id for goal in goals),
            status=CycleStatus.COMPLETED,
        )
    )
    comparisons, votes = [], []
    for i, goal in enumerate(goals):
        rows = _answers(cycle_id, goal, i, n_answers)
        store.save_interactions(rows)
        for n, (first, second) in enumerate(combinations(rows[1:], 2)):
            said = _votes(first, second, disagree=(i + n) % 2 == 0)
            votes += said
            comparisons.append(_comparison(first, second, 0.5 + 0.1 * (n % 5), said))
    store.save_votes(votes)
    store.replace_rankings(cycle_id, [], comparisons)
    store.save_stage_report(
        StageReport(
            cycle_id=cycle_id,
            stage=Stage.RANK,
            status=CycleStatus.COMPLETED,
            started_at=datetime(2026, 3, 1, tzinfo=UTC),
            seconds=number,
        )
    )


def _answers(cycle_id: str, goal: Goal, i: int, n: int) -> list[Interaction]:
    plan = f"Add {i} and {i}."
    proposal = _row(cycle_id, goal, Role.PROPOSER, 0, proposal_messages("", goal.text), plan, None)
    messages = execution_messages("", goal.text, plan)
    texts = [f"Sum {i}: I add {i} and {i} with method {k}, which makes {2 * i + k}." for k in range(n)]
    return [
        proposal,
        *(
            _row(cycle_id, goal, Role.EXECUTOR, k, messages, text, proposal.id)
            for k, text in enumerate(texts)
        ),
    ]


def _row(
    cycle_id: str, goal: Goal, role: Role, k: int, messages: object, text: str, parent: str | None
) -> Interaction:
    return Interaction(
        id=stable_id(cycle_id, goal.id, role, k),
        cycle_id=cycle_id,
        stage=Stage.GENERATE,
        goal_id=goal.id,
        agent=f"author-{k}",
        role=role,
        parent_id=parent,
        sample=k,
        model="m",
        messages=messages,
        completion=text,
        finish_reason="stop",
    )


def _votes(first: Interaction, second: Interaction, *, disagree: bool) -> list[Vote]:
    found = []
    for reviewer in REVIEWERS:
        for a, b in ((first, second), (second, first)):
            prefers_first = (reviewer == "ada" or not disagree) == (a is first)
            found.append(
                Vote(
                    id=stable_id("vote", reviewer, a.id, b.id),
                    cycle_id=a.cycle_id,
                    goal_id=a.goal_id,
                    judge=reviewer,
                    first_id=a.id,
                    second_id=b.id,
                    verdict=Verdict.FIRST if prefers_first else Verdict.SECOND,
                )
            )
    return found


def _comparison(first: Interaction, second: Interaction, p: float, votes: list[Vote]) -> Comparison:
    low, high = sorted((first.id, second.id))
    return Comparison(
        cycle_id=first.cycle_id,
        goal_id=first.goal_id,
        role=Role.EXECUTOR,
        first_id=low,
        second_id=high,
        probability=p if low == first.id else 1 - p,
        n_votes=len(votes),
        n_orders=2,
        vote_ids=tuple(vote.id for vote in votes),
    )
