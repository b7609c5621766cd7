"""Ask the judges: ballots to votes, each saved the moment it is there.

In: ballots and the agents that judge. Out: votes. A failed call leaves a row with its error and no vote, so
that a resumed stage asks again; an unreadable reply leaves votes without a verdict, never ties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from camelx.calls import Assignment, all_done, check_failures
from camelx.errors import AgentError, JudgeParseError
from camelx.prompts import discussion_messages, listwise_messages, rating_messages, review_messages
from camelx.ranking.reviewing.reading import read_reply
from camelx.ranking.reviewing.schedule import Ballot
from camelx.ranking.reviewing.spending import Cost, Ledger, Purse
from camelx.runtime.progress import Progress, report
from camelx.schemas import Agent, Goal, Interaction, Message, Reply, Role, Stage, Verdict, Vote, stable_id

SaveTurn = Callable[[Sequence[Vote], Interaction], None]
"""Stores a judge's turn, and the votes that it holds; there are none where the call failed."""


def ballot_id(cycle_id: str, stage: Stage, ballot: Ballot) -> str:
    """Return the id of a ballot: the judge's turn is addressed by it, and the votes."""
    parts = (cycle_id, stage, ballot.judge)
    if ballot.form == "pairwise" and not ballot.round:
        return stable_id("vote", *parts, *ballot.shown)
    return stable_id("ballot", *parts, ballot.form, ballot.round, *ballot.shown)


def vote_ids(cycle_id: str, stage: Stage, ballot: Ballot) -> list[str]:
    """Return the ids of the votes that answer the ballot, one for each of its pairs."""
    identity = ballot_id(cycle_id, stage, ballot)
    if ballot.form == "pairwise":
        return [identity]
    return [stable_id("vote", identity, *pair) for pair in ballot.pairs]


@dataclass
class Sitting:
    """The reviews of one stage: who may be asked about what, and what was answered already.

    `ask` may be called from many coroutines at once; it never asks what is answered.
    """

    goals: Mapping[str, Goal]
    """By id, as the compared results and the judges by name."""
    results: Mapping[str, Interaction]
    judges: Mapping[str, Agent]
    assignment: Assignment
    save: SaveTurn
    """Called with each turn as soon as it is answered, from the event loop's thread."""
    votes: dict[str, Vote] = field(default_factory=dict)
    """By id; those that are there already are not asked for."""
    turns: dict[str, Interaction] = field(default_factory=dict)
    """The answered turns behind the votes, by id."""
    ledger: Ledger = field(default_factory=Ledger)
    """Of the answered turns, those of earlier runs included, and of the calls that failed in this run."""
    failures: list[AgentError] = field(default_factory=list)
    """Of the calls made here."""
    failed: set[Ballot] = field(default_factory=set)
    """Whose calls failed here; a later run asks them again."""
    n_expected: int = 0
    """Calls that the stage will take at most; for whoever draws a bar."""

    def __post_init__(self) -> None:
        self.turns = {i: turn for i, turn in self.turns.items() if turn.error is None}
        for turn in self.turns.values():
            self.ledger.enter(turn)

    def answered(self, ballot: Ballot) -> list[Vote] | None:
        """Return the votes that answer the ballot; None: it has to be asked."""
        ids = vote_ids(self.assignment.cycle_id, self.assignment.stage, ballot)
        return [self.votes[i] for i in ids] if all(i in self.votes for i in ids) else None

    async def collect(self, ballots: Sequence[Ballot], purse: Purse | None = None) -> list[Vote]:
        """Return the votes in the order of the ballots; a ballot whose call failed has none.

        Args:
            ballots: What to ask.
            purse: Ask only what it has room for. A ballot waits while calls under way may leave room.

        Raises:
            Exception: What `save` raised. The calls under way are cancelled.
        """
        to_ask = [ballot for ballot in ballots if self.answered(ballot) is None]
        self.n_expected = max(self.n_expected, self.ledger.n_entered + len(to_ask))
        waiting = iter(to_ask)

        async def ask_the_next() -> None:
            for ballot in waiting:
                if purse is None:
                    await self.ask(ballot)
                elif await purse.room_for(ballot.goal_id, most := self.most(ballot, purse)):
                    purse.reserve(ballot.goal_id, most)
                    await self.ask(ballot)
                    purse.release(ballot.goal_id, most)

        await all_done([ask_the_next() for _ in range(min(self.assignment.concurrency, len(to_ask)))])
        return [vote for ballot in ballots for vote in self.answered(ballot) or ()]

    def most(self, ballot: Ballot, purse: Purse) -> Cost:
        """Return what a ballot may cost at most, as far as that matters to the purse."""
        return self.ledger.most(ballot.judge, self._messages(ballot)) if purse.is_metered else Cost()

    async def ask(self, ballot: Ballot) -> list[Vote]:
        """Put a ballot to its judge, save what comes back, and return the votes; none: the call failed."""
        if (known := self.answered(ballot)) is not None:
            return known
        judge, messages = self.judges[ballot.judge], self._messages(ballot)
        seed = self.assignment.seed_of(ballot_id(self.assignment.cycle_id, self.assignment.stage, ballot))
        votes: list[Vote] = []
        try:
            reply = await judge.ask(messages, seed=seed)
        except AgentError as e:
            self.failures.append(e)
            self.failed.add(ballot)
            turn = self._turn(ballot, messages, Reply(text="", finish_reason=None, seed=seed), str(e))
        else:
            turn = self._turn(ballot, messages, reply)
            votes = self._votes(ballot, turn)
        self.save(votes, turn)
        self.votes |= {vote.id: vote for vote in votes}
        if votes:
            self.turns[turn.id] = turn
        self.ledger.enter(turn)
        self._report()
        return votes

    def _report(self) -> None:
        n_done, stage = self.ledger.n_entered, self.assignment.stage
        n_expected = max(n_done, self.n_expected)
        report(Progress(self.assignment.cycle_id, stage, n_done, n_expected, "votes"))

    def check_failures(self) -> None:
        """Refuse a sitting of which too many calls failed.

        Raises:
            AgentError: See `camelx.calls.check_failures`.
        """
        n_calls = self.ledger.calls + len(self.failures)
        check_failures(self.failures, n_calls, self.assignment.max_failure_rate)

    def _messages(self, ballot: Ballot) -> tuple[Message, ...]:
        system, goal = self.judges[ballot.judge].system, self.goals[ballot.goal_id].text
        texts = [self.results[i].completion for i in ballot.shown]
        if ballot.form == "listwise":
            return listwise_messages(system, goal, texts)
        if ballot.form == "rating":
            return rating_messages(system, goal, texts)
        first, second = texts
        if ballot.round:
            own, other = ballot.replies
            return discussion_messages(system, goal, first, second, own, other)
        return review_messages(system, goal, first, second)

    def _turn(
        self, ballot: Ballot, messages: tuple[Message, ...], reply: Reply, error: str | None = None
    ) -> Interaction:
        judge = self.judges[ballot.judge]
        return Interaction(
            id=stable_id("interaction", ballot_id(self.assignment.cycle_id, self.assignment.stage, ballot)),
            cycle_id=self.assignment.cycle_id,
            stage=self.assignment.stage,
            goal_id=ballot.goal_id,
            agent=judge.name,
            role=Role.PEER_REVIEWER,
            model=judge.model,
            adapter_version=judge.adapter_version,
            messages=messages,
            completion=reply.text,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            latency_s=reply.latency_s,
            seed=reply.seed,
            error=error,
            trace_id=self.assignment.trace_id,
            tool_calls=reply.tool_calls,
        )

    def _votes(self, ballot: Ballot, turn: Interaction) -> list[Vote]:
        """Return one vote for each pair; a reply that can't be read gives votes without a verdict."""
        verdicts: Sequence[Verdict | None] = [None] * len(ballot.pairs)
        error: str | None = None
        try:
            verdicts = read_reply(ballot.form, turn.completion, len(ballot.shown))
        except JudgeParseError as e:
            error = str(e)
        ids = vote_ids(self.assignment.cycle_id, self.assignment.stage, ballot)
        return [
            Vote(
                id=i,
                cycle_id=self.assignment.cycle_id,
                goal_id=ballot.goal_id,
                judge=ballot.judge,
                first_id=first,
                second_id=second,
                verdict=verdict,
                error=error,
                form=ballot.form,
                round=ballot.round,
                interaction_id=turn.id,
            )
            for i, (first, second), verdict in zip(ids, ballot.pairs, verdicts, strict=True)
        ]


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
