"""Where stages meet models: a team is opened, asked for what the database does not hold yet, and closed.

Every function first reads what earlier runs of the same cycle were answered; only the rest is asked for.
Called by `camelx.stages`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from camelx import generation, ranking
from camelx.agents import PolicyModel, Team, open_team
from camelx.config import AgentConfig, AgentsConfig, SamplingConfig, TransformersBackendConfig
from camelx.cycles import CycleContext
from camelx.cycles.policies import parent_policy, weights_digest
from camelx.prompts import execution_messages, proposal_messages
from camelx.ranking import Ballot, Ledger, Sitting, Spent
from camelx.schemas import Agent, Cycle, Goal, Interaction, Role, Stage, Vote, content_hash

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answered:
    """What models answered, and the seconds that forward passes took."""

    rows: list[Interaction]
    model_seconds: float
    n_calls: int


def ask_workers(context: CycleContext, goals: Sequence[Goal]) -> Answered:
    """Return the proposals and executions of the cycle's agents for the goals."""
    return asyncio.run(_work(context, context.config.agents, starting_policy(context), goals, Stage.GENERATE))


@dataclass(frozen=True)
class Reviewed:
    """What the reviews of mutual ranking took."""

    model_seconds: float
    spent: Spent
    """Earlier runs of the cycle included."""


def ask_reviewers(
    context: CycleContext,
    work: Mapping[str, Interaction],
    *,
    anchors: pd.DataFrame | None = None,
    earlier: pd.DataFrame | None = None,
) -> Reviewed:
    """Have the executions among `work` reviewed; the votes are saved as they come.

    Args:
        context: The cycle.
        work: Proposals and executions by id; proposals tell whose an execution is.
        anchors: People's judgements (goal_id, first_id, second_id, outcome). They calibrate the reviewers
            while votes are bought, and come first in a discussion.
        earlier: Votes of earlier cycles on judged pairs, as `Store.vote_table` gives them.

    Raises:
        ConfigError: Nobody may judge anything.
        AgentError: Too many calls failed.
    """
    config = context.config

    async def run() -> Reviewed:
        async with _judging_team(context) as team:
            judges = team.judges(peers=config.ranking.peers_review)
            goals = context.store.goals(ids=context.cycle.goal_ids)
            sitting = _sitting(context, Stage.RANK, judges, goals, work)
            spent = await ranking.hold_reviews(
                sitting,
                config.ranking,
                min_weight=config.export.min_weight,
                anchors=anchors,
                earlier=earlier,
            )
            sitting.check_failures()
            return Reviewed(team.model_seconds, spent)

    return asyncio.run(run())


def ask_policy(
    context: CycleContext,
    side: str,
    policy: PolicyModel,
    goals: Sequence[Goal],
) -> Answered:
    """Return one greedy result per goal of a policy, in the order of the goals.

    The answers are logged under a hash of the policy's weights and of the token limits: another adapter of
    the same cycle does not get them, and a later cycle finds those of its champion.

    Args:
        context: The cycle.
        side: "champion" or "challenger"; begins the agents' names.
        policy: The base with the adapter to be evaluated.
        goals: The hold-out.
    """
    digest = _answers_digest(context, policy)
    policy = replace(policy, adapter_version=f"{context.config.policy.name}@{digest}")
    agents = _greedy_agents(context, f"{side}-{digest}")
    _recall(context, agents, policy, goals)
    answered = asyncio.run(_work(context, agents, policy, goals, Stage.EVALUATE))
    last = {
        row.goal_id: row
        for role in (Role.PROPOSER, Role.EXECUTOR)
        for row in answered.rows
        if row.role is role and row.adapter_version == policy.adapter_version
    }
    return Answered([last[goal.id] for goal in goals], answered.model_seconds, answered.n_calls)


def ask_judges(
    context: CycleContext, champion: Sequence[Interaction], challenger: Sequence[Interaction]
) -> tuple[list[Vote], float]:
    """Return every PeerReviewer's votes on champion against challenger, goal by goal, in both orders."""
    if not champion:
        return [], 0.0
    results = {row.id: row for row in (*champion, *challenger)}

    async def run() -> tuple[list[Vote], float]:
        async with _judging_team(context) as team:
            judges = team.judges(peers=False)
            sitting = _sitting(context, Stage.EVALUATE, judges, context.heldout_goals(), results)
            votes = await sitting.collect(
                [
                    ballot
                    for old, new in zip(champion, challenger, strict=True)
                    if old.completion != new.completion
                    for name in judges
                    for ballot in ranking.both_orders(Ballot(old.goal_id, name, (old.id, new.id)))
                ]
            )
            sitting.check_failures()
            ranking.check_unreadable(votes, context.config.ranking.max_unreadable_rate)
            return votes, team.model_seconds

    return asyncio.run(run())


def starting_policy(context: CycleContext) -> PolicyModel:
    """Return the policy that the cycle started from."""
    return parent_policy(context.config, context.cycle.parent_version)


async def _work(
    context: CycleContext, agents: AgentsConfig, policy: PolicyModel, goals: Sequence[Goal], stage: Stage
) -> Answered:
    """Run proposers and executors over the goals, going on from the rows that the cycle has."""
    store, cycle, concurrency = context.store, context.cycle, context.config.generation.concurrency
    stored = store.interactions(cycle.id, stage=stage)
    roles = (Role.PROPOSER, Role.EXECUTOR)
    async with open_team(agents, policy, concurrency=concurrency, roles=roles) as team:
        rows = await generation.generate_interactions(
            goals,
            proposers=team.agents(Role.PROPOSER),
            executors=team.agents(Role.EXECUTOR),
            assignment=context.assignment(stage),
            done={row.id: row for row in stored if row.error is None},
            save=lambda row: store.save_interactions([row]),
        )
        # A recalled answer keeps the trace of the cycle that paid for it.
        paid = [row for row in rows if row.error is None and row.trace_id == cycle.trace_id]
        return Answered(rows, team.model_seconds, len(paid))


def _judging_team(context: CycleContext) -> Team:
    agents, concurrency = context.config.agents, context.config.generation.concurrency
    return open_team(agents, starting_policy(context), concurrency=concurrency, roles=(Role.PEER_REVIEWER,))


def _sitting(
    context: CycleContext,
    stage: Stage,
    judges: Mapping[str, Agent],
    goals: Sequence[Goal],
    results: Mapping[str, Interaction],
) -> Sitting:
    """Return the reviews of a stage as far as earlier runs of the cycle brought them."""
    store, cycle, agents = context.store, context.cycle, context.config.agents
    turns = store.interactions(cycle.id, stage=stage, role=Role.PEER_REVIEWER)
    prices = {
        name: price
        for agent in agents.agents
        if (price := agents.backends[agent.backend].price) is not None
        for name in agent.members
    }
    return Sitting(
        goals={goal.id: goal for goal in goals},
        results=results,
        judges=judges,
        assignment=context.assignment(stage),
        save=store.save_turn,
        votes={vote.id: vote for vote in store.votes(cycle.id, stage=stage)},
        turns={turn.id: turn for turn in turns},
        ledger=Ledger(prices, _answer_bounds(agents)),
    )


def _answer_bounds(agents: AgentsConfig) -> dict[str, int]:
    """Return the most tokens of an answer by judge; one with tools is not in it: it answers in rounds."""
    first = agents.with_role(Role.PEER_REVIEWER)[0]
    return {
        name: (agent if agent.role is Role.PEER_REVIEWER else first).sampling.max_tokens
        for agent in agents.agents
        for name in agent.members
        if agent.role is not Role.PEER_REVIEWER or not agent.tools
    }


def _answers_digest(context: CycleContext, policy: PolicyModel) -> str:
    """Return 8 hexadecimal digits for all that decides a policy's greedy answers to given messages."""
    limits = (
        f"{agent.role}: {agent.sampling.max_tokens} tokens" for agent in _workers(context.config.agents)
    )
    return content_hash([weights_digest(policy), *limits])[:8]


def _workers(agents: AgentsConfig) -> list[AgentConfig]:
    """Return who works on the hold-out: the first Proposer, where there is one, and the first Executor."""
    return [agent for role in (Role.PROPOSER, Role.EXECUTOR) for agent in agents.with_role(role)[:1]]


def _greedy_agents(context: CycleContext, side: str) -> AgentsConfig:
    """Return the workflow with one greedy agent per role; the roles that are trained run on the policy."""
    agents, trained = context.config.agents, context.config.export.roles

    def greedy(agent: AgentConfig) -> AgentConfig:
        return agent.model_copy(
            update={
                "name": f"{side}-{agent.role}",
                "count": 1,
                "samples": 1,
                "backend": "evaluated-policy" if agent.role in trained else agent.backend,
                # What is compared is what was trained: the model alone, which answers in this process.
                "tools": () if agent.role in trained else agent.tools,
                "sampling": SamplingConfig(temperature=0, max_tokens=agent.sampling.max_tokens),
            }
        )

    policy = next(
        (b for b in agents.backends.values() if b.kind == "transformers" and b.model == "policy"),
        TransformersBackendConfig(kind="transformers"),
    )
    return AgentsConfig(
        backends=agents.backends | {"evaluated-policy": policy.model_copy(update={"adapter": "champion"})},
        agents=(
            *map(greedy, _workers(agents)),
            *agents.with_role(Role.PEER_REVIEWER),
        ),
    )


def _recall(
    context: CycleContext,
    agents: AgentsConfig,
    policy: PolicyModel,
    goals: Sequence[Goal],
) -> None:
    """Take over the hold-out answers that the same policy gave in an earlier cycle to the same messages.

    Greedy answers do not change, so asking again would pay twice for the same text.
    """
    cycle, worker = context.cycle, {agent.role: agent for agent in agents.agents}
    earlier = context.store.answers_of(
        policy.label,
        policy.adapter_version,
        stage=Stage.EVALUATE,
        goal_ids=[goal.id for goal in goals],
    )
    by_work = {(row.goal_id, row.role): row for row in earlier if row.is_finished}
    taken: list[Interaction] = []
    for goal in goals:
        above: Interaction | None = None
        for role in (Role.PROPOSER, Role.EXECUTOR):
            if role not in worker:
                continue
            row, system = by_work.get((goal.id, role)), worker[role].system
            asked = (
                proposal_messages(system, goal.text)
                if role is Role.PROPOSER
                else execution_messages(system, goal.text, above.completion if above else None)
            )
            if row is None or row.messages != asked:
                break
            above = _taken_over(row, worker[role].name, above, cycle)
            taken.append(above)
    context.store.save_interactions(taken)


def _taken_over(row: Interaction, agent: str, above: Interaction | None, cycle: Cycle) -> Interaction:
    parent_id = above.id if above else None
    return row.model_copy(
        update={
            "id": generation.interaction_id(cycle.id, Stage.EVALUATE, row.goal_id, agent, parent_id, 0),
            "cycle_id": cycle.id,
            "agent": agent,
            "parent_id": parent_id,
        }
    )
