"""Cycles whose majority of judges is wrong, stored without a model: what people say can turn them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camelx.config import (
    AgentsConfig,
    RankerConfig,
    RankingConfig,
    ReliablePeerRankConfig,
    RunConfig,
    ScriptedBackendConfig,
)
from camelx.schemas import Cycle, Goal, Interaction, Role, Stage, Verdict, Vote, stable_id
from camelx.storage import Store

GOALS = [Goal.new(f"goal {i}", category="sums") for i in range(30)]
WRONG, RIGHT = ("charmed", "dazzled"), "sober"
"""Two judges who always prefer the worse result, and one who never does."""


def config(ranker: RankerConfig) -> RunConfig:
    agents = AgentsConfig.model_validate(
        {
            "backends": {"s": ScriptedBackendConfig(kind="scripted", replies=["x"]).model_dump()},
            "agents": [
                {"name": "worker", "role": "executor", "backend": "s", "system": ""},
                {"name": "judge", "role": "peer_reviewer", "backend": "s", "system": ""},
            ],
        }
    )
    return RunConfig(agents=agents, ranking=RankingConfig(ranker=ranker))


RELIABLE = config(ReliablePeerRankConfig())


def result(cycle_id: str, goal: Goal, agent: str) -> Interaction:
    return Interaction(
        id=stable_id(cycle_id, goal.id, agent),
        cycle_id=cycle_id,
        stage=Stage.GENERATE,
        goal_id=goal.id,
        agent=agent,
        role=Role.EXECUTOR,
        model="m",
        completion=f"{agent} says",
        finish_reason="stop",
    )


def votes_on(cycle_id: str, better: Interaction, worse: Interaction) -> Iterator[Vote]:
    """Both orders by each judge."""
    for judge in (*WRONG, RIGHT):
        winner = better if judge == RIGHT else worse
        for first, second in ((better, worse), (worse, better)):
            yield Vote(
                id=stable_id("vote", cycle_id, judge, first.id, second.id),
                cycle_id=cycle_id,
                goal_id=better.goal_id,
                judge=judge,
                first_id=first.id,
                second_id=second.id,
                verdict=Verdict.FIRST if first is winner else Verdict.SECOND,
            )


def play(
    store: Store, number: int, goals: Sequence[Goal], parent_version: int | None = None, **sections: object
) -> Cycle:
    """Store a cycle in which "able" beats "idle" on every goal, and two of three judges deny it."""
    cycle = Cycle(
        id=f"c{number}",
        number=number,
        config=RELIABLE.model_dump(mode="json") | sections,
        trace_id="t",
        parent_version=parent_version,
        goal_ids=tuple(goal.id for goal in goals),
    )
    store.add_cycle(cycle)
    for goal in goals:
        better, worse = result(cycle.id, goal, "able"), result(cycle.id, goal, "idle")
        store.save_interactions([better, worse])
        store.save_votes(votes_on(cycle.id, better, worse))
    return cycle
