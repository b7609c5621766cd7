"""Every proposer proposes for every goal, and every executor carries every whole proposal out.

There is no barrier between the two: an execution is asked for as soon as its proposal is there. What a call
was asked and with which seed follows from the ids alone, so a run that was stopped goes on with the same
items, in whatever order they end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from camelx.calls import Assignment, all_done, check_failures
from camelx.errors import AgentError
from camelx.prompts import execution_messages, proposal_messages
from camelx.runtime import progress
from camelx.schemas import Agent, Goal, Interaction, Message, Stage, stable_id


def interaction_id(
    cycle_id: str, stage: Stage, goal_id: str, agent: str, parent_id: str | None, sample: int
) -> str:
    """Return the address of one model call of a cycle."""
    return stable_id("interaction", cycle_id, stage, goal_id, agent, parent_id or "", sample)


async def generate_interactions(
    goals: Sequence[Goal],
    *,
    proposers: Sequence[Agent],
    executors: Sequence[Agent],
    assignment: Assignment,
    done: Mapping[str, Interaction],
    save: Callable[[Interaction], None],
) -> list[Interaction]:
    """Return the proposals and executions for the goals, goal by goal, each execution after its proposal.

    Args:
        goals: What to work on.
        proposers: May be empty: then executors work on the goals themselves.
        executors: May be empty: then there are proposals only.
        assignment: The stage that asks.
        done: What earlier runs of the stage gave, by id. Answered items are not asked again, failed ones are.
        save: Called with each row the moment its answer, or its failure, is there.

    Raises:
        AgentError: Too many calls failed; their rows are saved.
        Exception: What `save` raised. The calls under way are cancelled.
    """
    n_executions = sum(agent.samples for agent in executors)
    n_proposals = len(goals) * sum(agent.samples for agent in proposers)
    run = _Run(
        assignment=assignment,
        done=done,
        save=save,
        slots=asyncio.Semaphore(assignment.concurrency),
        n_total=n_proposals + n_executions * (n_proposals if proposers else len(goals)),
    )
    run.report()
    if proposers:
        work = [
            run.propose(goal, a, sample, executors) for goal in goals for a, sample in _samples(proposers)
        ]
    else:
        work = [run.execute(goal, None, executors) for goal in goals]
    interactions = [row for rows in await all_done(work) for row in rows]
    check_failures(run.failures, len(interactions), assignment.max_failure_rate)
    return interactions


@dataclass
class _Run:
    """What all items of one call of `generate_interactions` share."""

    assignment: Assignment
    done: Mapping[str, Interaction]
    save: Callable[[Interaction], None]
    slots: asyncio.Semaphore
    n_total: int
    n_done: int = 0
    failures: list[AgentError] = field(default_factory=list)

    async def propose(
        self, goal: Goal, agent: Agent, sample: int, executors: Sequence[Agent]
    ) -> list[Interaction]:
        """Return one proposal and its executions; a proposal that failed or was cut has none."""
        proposal = await self.item(goal, agent, sample, proposal_messages(agent.system, goal.text), None)
        if not proposal.is_finished:
            self.n_total -= sum(executor.samples for executor in executors)
            self.report()
            return [proposal]
        return [proposal, *await self.execute(goal, proposal, executors)]

    async def execute(
        self, goal: Goal, proposal: Interaction | None, executors: Sequence[Agent]
    ) -> list[Interaction]:
        """Return the executions of one proposal, or of the goal itself."""
        text, parent_id = (proposal.completion, proposal.id) if proposal else (None, None)
        return await all_done(
            [
                self.item(goal, a, sample, execution_messages(a.system, goal.text, text), parent_id)
                for a, sample in _samples(executors)
            ]
        )

    async def item(
        self, goal: Goal, agent: Agent, sample: int, messages: tuple[Message, ...], parent_id: str | None
    ) -> Interaction:
        """Return one interaction: the one that is there already, or a new one."""
        mine = self.assignment
        item_id = interaction_id(mine.cycle_id, mine.stage, goal.id, agent.name, parent_id, sample)
        row = self.done.get(item_id)
        if row is None or row.error is not None:
            asked = Interaction(
                id=item_id,
                cycle_id=mine.cycle_id,
                stage=mine.stage,
                goal_id=goal.id,
                agent=agent.name,
                role=agent.role,
                parent_id=parent_id,
                sample=sample,
                model=agent.model,
                adapter_version=agent.adapter_version,
                messages=messages,
                seed=mine.seed_of(item_id),
                trace_id=mine.trace_id,
            )
            async with self.slots:
                row = await self.answered(asked, agent)
                self.save(row)
        self.n_done += 1
        self.report()
        return row

    async def answered(self, asked: Interaction, agent: Agent) -> Interaction:
        """Return the interaction with the agent's answer, or with the reason why there is none."""
        try:
            reply = await agent.ask(asked.messages, seed=asked.seed or 0)
        except AgentError as e:
            self.failures.append(e)
            return asked.failed(e)
        return asked.answered(reply)

    def report(self) -> None:
        """Tell listeners how far the run is."""
        progress.report(
            progress.Progress(
                self.assignment.cycle_id, self.assignment.stage, self.n_done, self.n_total, "interactions"
            )
        )


def _samples(agents: Sequence[Agent]) -> Iterator[tuple[Agent, int]]:
    for agent in agents:
        for sample in range(agent.samples):
            yield agent, sample
