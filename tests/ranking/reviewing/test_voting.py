"""Ballots put to agents: what is asked, what is saved, what is asked again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from camelx.calls import Assignment
from camelx.errors import AgentError, StorageError
from camelx.ranking import Ballot, Sitting, check_unreadable
from camelx.ranking.reviewing.voting import vote_ids
from camelx.runtime.progress import listening
from camelx.schemas import Goal, Interaction, Reply, Role, Stage, Verdict

GOAL = Goal.new("What is 2 + 2?")
RESULTS = {
    i: Interaction(
        id=i,
        cycle_id="c",
        stage=Stage.GENERATE,
        goal_id=GOAL.id,
        agent="ann",
        role=Role.EXECUTOR,
        model="m",
        completion=f"text of {i}",
    )
    for i in ("x", "y", "z")
}
BALLOTS = [Ballot(GOAL.id, "rex", pair) for pair in (("x", "y"), ("y", "x"), ("x", "z"), ("z", "x"))]


@dataclass
class Judge:
    """Prefers x, and fails or mumbles where it is told to."""

    name: str = "rex"
    role: Role = Role.PEER_REVIEWER
    system: str = "Judge."
    model: str = "m"
    adapter_version: str | None = None
    samples: int = 1
    fails_on: str | None = None
    mumbles_on: str | None = None
    asked: list = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def ask(self, messages, *, seed):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        text = messages[-1].content
        self.asked.append((text, seed))
        if self.fails_on and f"text of {self.fails_on}" in text:
            raise AgentError("server said 500", agent=self.name)
        if self.mumbles_on and f"text of {self.mumbles_on}" in text:
            return Reply(text="hard to say", seed=seed)
        return Reply(
            text=f"Verdict: {'A' if text.index('text of x') < text.index('result_b') else 'B'}", seed=seed
        )


def sitting(judge, saved, *, done=(), concurrency=8, save=None, max_failure_rate=0.1):
    return Sitting(
        goals={GOAL.id: GOAL},
        results=RESULTS,
        judges={"rex": judge},
        assignment=Assignment("c", Stage.RANK, "t", 7, concurrency, max_failure_rate),
        votes={v.id: v for v in done},
        save=save or (lambda votes, turn: saved.append((votes, turn))),
    )


async def sit(judge, *, ballots=BALLOTS, **options):
    saved = []
    votes = await sitting(judge, saved, **options).collect(ballots)
    return votes, saved


async def test_votes_come_in_the_order_of_the_ballots_each_with_its_turn():
    votes, saved = await sit(Judge())
    assert [v.verdict for v in votes] == [Verdict.FIRST, Verdict.SECOND] * 2
    assert [v.id for v in votes] == [i for b in BALLOTS for i in vote_ids("c", Stage.RANK, b)]
    turns = {turn.id: turn for _, turn in saved}
    assert all(turns[v.interaction_id].role == Role.PEER_REVIEWER for v in votes)
    assert all(turns[v.interaction_id].messages[-1].content.startswith(f"Goal: {GOAL.text}") for v in votes)
    assert len({turn.seed for _, turn in saved}) == 4


async def test_reviewers_do_not_learn_who_wrote_what():
    judge = Judge()
    await sit(judge)
    assert not any("ann" in text for text, _ in judge.asked)


async def test_an_unreadable_reply_is_a_vote_without_verdict_and_keeps_the_reply():
    votes, saved = await sit(Judge(mumbles_on="z"))
    assert [v.verdict for v in votes] == [Verdict.FIRST, Verdict.SECOND, None, None]
    assert "Verdict" in votes[2].error
    assert {turn.completion for (vote,), turn in saved if vote.verdict is None} == {"hard to say"}
    with pytest.raises(AgentError, match="2 of 4 verdicts can't be read"):
        check_unreadable(votes, 0.4)
    check_unreadable(votes, 0.5)


async def test_a_failed_call_leaves_its_row_and_no_vote_and_is_asked_again():
    saved = []
    first = sitting(Judge(fails_on="z"), saved)
    votes = await first.collect(BALLOTS)
    assert len(votes) == 2
    assert [(said, turn.error) for said, turn in saved if turn.error] == [([], "server said 500")] * 2
    with pytest.raises(AgentError, match=r"2 of 4 .*'rex': server said 500") as raised:
        first.check_failures()
    assert not raised.value.retryable
    judge = Judge()
    second = sitting(judge, saved, done=votes)
    assert len(await second.collect(BALLOTS)) == 4
    assert len(judge.asked) == 2
    second.check_failures()


async def test_what_is_done_is_not_asked_again():
    votes, _ = await sit(Judge())
    judge = Judge()
    again, saved = await sit(judge, done=votes)
    assert (again, saved, judge.asked) == (votes, [], [])


async def test_what_saving_raises_comes_out_as_it_is_and_nobody_is_asked_on():
    def full(votes, turn):
        raise StorageError("the disk is full")

    judge = Judge()
    with pytest.raises(StorageError, match="the disk is full"):
        await sit(judge, save=full, concurrency=2)
    assert len(judge.asked) <= 2


async def test_no_more_calls_are_under_way_than_allowed():
    judge = Judge()
    await sit(judge, concurrency=2)
    assert judge.most_at_once == 2


async def test_progress_counts_up_to_all_ballots():
    heard = []
    with listening(heard.append):
        await sit(Judge())
    assert [(p.done, p.total) for p in heard] == [(i, 4) for i in range(1, 5)]
