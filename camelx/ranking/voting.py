"""Ask the judges: ballots to votes, each saved the moment it is there.

In: ballots and the agents that judge. Out: votes. A failed call leaves a row with its error and no vote, so
that a resumed stage asks again; an unreadable reply leaves a vote without a verdict, never a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from camelx.calls import Assignment, all_done, check_failures
from camelx.errors import AgentError, JudgeParseError
from camelx.progress import Progress, report
from camelx.prompts import parse_verdict, review_messages
from camelx.ranking.schedule import Ballot
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
    assignment: Assignment,
    done: Mapping[str, Vote],
    save: SaveTurn,
) -> list[Vote]:
    """Return the votes in the order of the ballots; a ballot whose call failed has none.

    Args:
        ballots: What to ask.
        goals: Goals by id.
        results: The compared results by id.
        judges: Agents by name.
        assignment: The stage that asks.
        done: Votes by id that are there already; their judges are not asked again.
        save: Called with each turn as soon as it is answered, from the event loop's thread.

    Raises:
        AgentError: Too many calls failed; their rows are saved.
        Exception: What `save` raised. The calls under way are cancelled.
    """
    sitting = _Sitting(goals, results, judges, assignment, save, len(ballots))
    sitting.votes = {i: done[i] for b in ballots if (i := sitting.vote_id(b)) in done}
    waiting = iter([b for b in ballots if sitting.vote_id(b) not in sitting.votes])
    sitting.n_answered = len(sitting.votes)

    async def ask_the_next() -> None:
        for ballot in waiting:
            await sitting.ask(ballot)

    await all_done([ask_the_next() for _ in range(min(assignment.concurrency, len(ballots)))])
    check_failures(sitting.failures, len(ballots), assignment.max_failure_rate)
    ids = (sitting.vote_id(b) for b in ballots)
    return [sitting.votes[i] for i in ids if i in sitting.votes]


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


@dataclass
class _Sitting:
    """What all ballots of one call of `collect_votes` share."""

    goals: Mapping[str, Goal]
    results: Mapping[str, Interaction]
    judges: Mapping[str, Agent]
    assignment: Assignment
    save: SaveTurn
    n_ballots: int
    votes: dict[str, Vote] = field(default_factory=dict)
    failures: list[AgentError] = field(default_factory=list)
    n_answered: int = 0

    def vote_id(self, ballot: Ballot) -> str:
        """Return the id of the vote that answers the ballot."""
        return vote_id(self.assignment.cycle_id, self.assignment.stage, ballot)

    async def ask(self, ballot: Ballot) -> None:
        """Put one ballot to its judge and save what comes back."""
        judge = self.judges[ballot.judge]
        messages = review_messages(
            judge.system,
            self.goals[ballot.goal_id].text,
            self.results[ballot.first_id].completion,
            self.results[ballot.second_id].completion,
        )
        identity = self.vote_id(ballot)
        seed = self.assignment.seed_of(identity)
        try:
            reply = await judge.ask(messages, seed=seed)
        except AgentError as e:
            self.failures.append(e)
            self.save(None, self._turn(ballot, judge, messages, seed, error=str(e)))
        else:
            turn = self._turn(ballot, judge, messages, seed, reply)
            vote = self._vote(identity, ballot, turn)
            self.save(vote, turn)
            self.votes[identity] = vote
        self.n_answered += 1
        report(
            Progress(
                self.assignment.cycle_id, self.assignment.stage, self.n_answered, self.n_ballots, "votes"
            )
        )

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
            id=stable_id("interaction", self.vote_id(ballot)),
            cycle_id=self.assignment.cycle_id,
            stage=self.assignment.stage,
            goal_id=ballot.goal_id,
            agent=judge.name,
            role=Role.PEER_REVIEWER,
            model=judge.model,
            adapter_version=judge.adapter_version,
            messages=messages,
            completion=answer.text,
            finish_reason=answer.finish_reason,
            tool_calls=answer.tool_calls,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            latency_s=answer.latency_s,
            seed=answer.seed,
            error=error,
            trace_id=self.assignment.trace_id,
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
            cycle_id=self.assignment.cycle_id,
            goal_id=ballot.goal_id,
            judge=ballot.judge,
            first_id=ballot.first_id,
            second_id=ballot.second_id,
            verdict=verdict,
            error=error,
            interaction_id=turn.id,
        )
