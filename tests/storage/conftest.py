"""A filled database for the storage tests, and the records that they fill others with."""

from __future__ import annotations

import pytest

from camelx.schemas import Cycle, Goal, Interaction, Role, Stage, Verdict, Vote, stable_id


@pytest.fixture
def filled(store):
    """A store with two goals, a cycle, four executions and the votes on two of them."""
    goals = [Goal.new(f"How much is {i} + 1?", answer=str(i + 1), level=i + 1) for i in range(2)]
    store.add_goals(goals)
    store.add_cycle(cycle(1, goal_ids=tuple(goal.id for goal in goals)))
    answers = [execution(goal, agent) for goal in goals for agent in ("executor-1", "executor-2")]
    store.save_interactions(answers)
    for first, second, verdict in ((0, 1, Verdict.FIRST), (1, 0, None)):
        vote, asked = turn(answers[first], answers[second], verdict)
        store.save_turn([vote], asked)
    return store


def cycle(number, **fields):
    return Cycle(id=f"c{number}", number=number, config={"seed": 0}, trace_id="t", **fields)


def execution(goal, agent, *, stage=Stage.GENERATE, cycle_id="c1", **fields):
    return Interaction(
        **{
            "id": stable_id("interaction", cycle_id, stage, goal.id, agent, "", 0),
            "cycle_id": cycle_id,
            "stage": stage,
            "goal_id": goal.id,
            "agent": agent,
            "role": Role.EXECUTOR,
            "model": "demo",
            "messages": ({"role": "user", "content": f"Goal: {goal.text}"},),
            "completion": "Answer: 2",
            "finish_reason": "stop",
            "seed": 2**40,
            **fields,
        }
    )


def turn(first, second, verdict, *, stage=Stage.RANK):
    """A vote and the reviewer's own turn."""
    asked = first.model_copy(
        update={
            "id": stable_id("review", first.id, second.id, stage),
            "stage": stage,
            "agent": "reviewer",
            "role": Role.PEER_REVIEWER,
        }
    )
    vote = Vote(
        id=stable_id("vote", first.id, second.id, stage),
        cycle_id=first.cycle_id,
        goal_id=first.goal_id,
        judge="reviewer",
        first_id=first.id,
        second_id=second.id,
        verdict=verdict,
        error=None if verdict else "no verdict line",
        interaction_id=asked.id,
    )
    return vote, asked
