"""Ask the judges: ballots to votes, each saved the moment it is there.

In: ballots and the agents that judge. Out: votes. A failed call leaves a row with its error and no vote, so
that a resumed stage asks again; an unreadable reply leaves a vote without a verdict, never a tie.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from camelx.errors import AgentError, JudgeParseError
from camelx.progress import Progress, report
from camelx.prompts import parse_verdict, review_messages
from camelx.ranking.reviewing.schedule import Ballot
from camelx.schemas import Agent, Goal, Interaction, Message, Reply, Role, Stage, Verdict, Vote, stable_id

SaveTurn = Callable[[Vote | None, Interaction], None]
"""Stores a judge's turn, and the vote that it holds; there is none where the call failed."""


def vote_id(cycle_id: str, stage: Stage, ballot: Ballot) -> str:
    """Return the id of the vote that answers the ballot."""
    return stable_id("vote", cycle_id, stage, ballot.judge, ballot.first_id, ballot.second_id)


async def collect_votes(
    ballots: Sequence[Ballot],
    *,
    goals: Mapping[str, Goal],
    results: Mapping[str, Interaction],
    judges: Mapping[str, Agent],
    cycle_id: str,
    stage: Stage,
    trace_id: str,
    seed: int,
    concurrency: int,
    done: Mapping[str, Vote],
    save: SaveTurn,
) -> list[Vote]:
    """Return the votes in the order of the ballots; a ballot whose call failed has none.

    Args:
        ballots: What to ask.
        goals: Goals by id.
        results: The compared results by id.
        judges: Agents by name.
        cycle_id: The cycle, as `stage` and `trace_id` written into every turn.
        stage: The stage that asks.
        trace_id: The trace of the cycle.
        seed: With the vote's id it fixes the seed of its call.
        concurrency: Most calls under way at once.
        done: Votes by id that are there already; their judges are not asked again.
        save: Called with each turn as soon as it is answered, from the event loop's thread.

    Raises:
        Exception: What `save` raised. The calls under way are cancelled.
    """
    sitting = _Sitting(goals, results, judges, cycle_id, stage, trace_id, seed, save, len(ballots))
    sitting.votes = {i: done[i] for b in ballots if (i := vote_id(cycle_id, stage, b)) in done}
    waiting = iter([b for b in ballots if vote_id(cycle_id, stage, b) not in sitting.votes])
    sitting.n_answered = len(sitting.votes)

    async def ask_the_next() -> None:
        for ballot in waiting:
            await sitting.ask(ballot)

    await _all_done([ask_the_next() for _ in range(min(concurrency, len(ballots)))])
    ids = (vote_id(cycle_id, stage, b) for b in ballots)
    return [sitting.votes[i] for i in ids if i in sitting.votes]


async def _all_done(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; at the first exception cancel the rest. A TaskGroup would hide it inside of a group."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def check_unreadable(votes: Sequence[Vote], max_rate: float) -> None:
    """Refuse votes of which too many can't be read.

    Raises:
        AgentError: The share of unreadable verdicts is above `max_rate`.
    """
    unreadable = [v for v in votes if v.verdict is None]
    if votes and len(unreadable) / len(votes) > max_rate:
        raise AgentError(
            f"{len(unreadable)} of {len(votes)} verdicts can't be read ({len(unreadable) / len(votes):.0%}, "
            f"ranking.max_unreadable_rate is {max_rate:.0%}); first: judge {unreadable[0].judge!r}: "
            f"{unreadable[0].error}. See the peer_reviewer's system message and its max_tokens",
            agent=unreadable[0].judge,
        )


def check_answered(n_votes: int, n_ballots: int, max_failure_rate: float) -> None:
    """Refuse a sitting of which too many calls failed.

    Raises:
        AgentError: The share of ballots without a vote is above `max_failure_rate`.
    """
    n_failed = n_ballots - n_votes
    if n_ballots and n_failed / n_ballots > max_failure_rate:
        raise AgentError(
            f"{n_failed} of {n_ballots} reviews failed ({n_failed / n_ballots:.0%}, "
            f"generation.max_failure_rate is {max_failure_rate:.0%}); the reviewers' turns say why. Resume "
            "the cycle to ask these again",
            retryable=True,
        )


@dataclass
class _Sitting:
    """What all ballots of one call of `collect_votes` share."""

    goals: Mapping[str, Goal]
    results: Mapping[str, Interaction]
    judges: Mapping[str, Agent]
    cycle_id: str
    stage: Stage
    trace_id: str
    seed: int
    save: SaveTurn
    n_ballots: int
    votes: dict[str, Vote] = field(default_factory=dict)
    n_answered: int = 0

    async def ask(self, ballot: Ballot) -> None:
        """Put one ballot to its judge and save what comes back."""
        judge = self.judges[ballot.judge]
        messages = review_messages(
            judge.system,
            self.goals[ballot.goal_id].text,
            self.results[ballot.first_id].completion,
            self.results[ballot.second_id].completion,
        )
        identity = vote_id(self.cycle_id, self.stage, ballot)
        seed = int(stable_id("seed", self.seed, identity)[:8], 16) >> 1
        try:
            reply = await judge.ask(messages, seed=seed)
        except AgentError as e:
            self.save(None, self._turn(ballot, judge, messages, seed, error=str(e)))
        else:
            turn = self._turn(ballot, judge, messages, seed, reply)
            vote = self._vote(identity, ballot, turn)
            self.save(vote, turn)
            self.votes[identity] = vote
        self.n_answered += 1
        report(Progress(self.cycle_id, self.stage, self.n_answered, self.n_ballots, "votes"))

    def _turn(
        self,
        ballot: Ballot,
        judge: Agent,
        messages: tuple[Message, ...],
        seed: int,
        reply: Reply | None = None,
        error: str | None = None,
    ) -> Interaction:
        answer = reply or Reply(text="", finish_reason=None, seed=seed)
        return Interaction(
            id=stable_id("interaction", vote_id(self.cycle_id, self.stage, ballot)),
            cycle_id=self.cycle_id,
            stage=self.stage,
            goal_id=ballot.goal_id,
            agent=judge.name,
            role=Role.PEER_REVIEWER,
            model=judge.model,
            adapter_version=judge.adapter_version,
            messages=messages,
            completion=answer.text,
            finish_reason=answer.finish_reason,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            latency_s=answer.latency_s,
            seed=answer.seed,
            error=error,
            trace_id=self.trace_id,
        )

    def _vote(self, identity: str, ballot: Ballot, turn: Interaction) -> Vote:
        verdict: Verdict | None = None
        error: str | None = None
        try:
            verdict = parse_verdict(turn.completion)
        except JudgeParseError as e:
            error = str(e)
        return Vote(
            id=identity,
            cycle_id=self.cycle_id,
            goal_id=ballot.goal_id,
            judge=ballot.judge,
            first_id=ballot.first_id,
            second_id=ballot.second_id,
            verdict=verdict,
            error=error,
            interaction_id=turn.id,
        )
