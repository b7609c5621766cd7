"""Results of known quality, and judges who see it: agents that answer every form of review."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from itertools import pairwise

from camelx.calls import Assignment
from camelx.errors import AgentError
from camelx.ranking import Ledger, Sitting
from camelx.schemas import Goal, Interaction, Reply, Role, Stage

_RESULT = re.compile(r"<result_[a-h]>\nquality (-?[\d.]+) of (\S+)\n</result")


def goal(number):
    return Goal.new(f"Goal {number}")


def execution(goal_number, name, quality, agent="ann", parent=None):
    return Interaction(
        id=f"g{goal_number}{name}",
        cycle_id="c",
        stage=Stage.GENERATE,
        goal_id=goal(goal_number).id,
        agent=agent,
        role=Role.EXECUTOR,
        parent_id=parent,
        model="m",
        completion=f"quality {quality} of g{goal_number}{name}",
        finish_reason="stop",
    )


@dataclass
class Judge:
    """Sees the quality of results."""

    name: str
    leans_to_first: float = 0.0
    """Added to the quality of what is shown first."""
    noise: float = 0.0
    """Standard deviation of its error on each result, another one in each prompt."""
    ties_within: float = 0.0
    sign: float = 1.0
    """-1: prefers the worse."""
    gives_in: bool = False
    """Takes the other's side in a discussion."""
    mumbles: bool = False
    fails: bool = False
    tokens: tuple[int, int] = (90, 10)
    role: Role = Role.PEER_REVIEWER
    system: str = "Judge."
    model: str = "m"
    adapter_version: str | None = None
    samples: int = 1
    prompts: list = field(default_factory=list)
    seen: list = field(default_factory=list)
    """The results of each prompt, in their order."""
    delay: float = 0.0

    async def ask(self, messages, *, seed):
        text = messages[-1].content
        shown = _RESULT.findall(text)
        self.prompts.append(text)
        self.seen.append(tuple(name for _, name in shown))
        await asyncio.sleep(self.delay)
        if self.fails:
            raise AgentError("server said 500", agent=self.name)
        reply = "hard to say" if self.mumbles else self.answer(text, [float(q) for q, _ in shown])
        prompt_tokens, completion_tokens = self.tokens
        return Reply(text=reply, seed=seed, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)

    def answer(self, text, qualities):
        rng = random.Random(f"{self.name}{text}")
        worth = [self.sign * q + rng.gauss(0.0, self.noise) for q in qualities]
        worth[0] += self.leans_to_first
        if "Ranking:" in text:
            order = sorted(range(len(worth)), key=lambda i: -worth[i])
            said = "ABCDEFGH"[order[0]]
            for better, i in pairwise(order):
                tied = worth[better] - worth[i] <= self.ties_within
                said += f" {'=' if tied else '>'} {'ABCDEFGH'[i]}"
            return f"Reasons.\nRanking: {said}"
        if "Ratings:" in text:
            marks = [min(5, max(1, round(w))) for w in worth]
            return "Ratings: " + ", ".join(f"{'ABCDEFGH'[i]}={mark}" for i, mark in enumerate(marks))
        difference = worth[0] - worth[1]
        if self.gives_in and "<other_review>" in text:
            difference = -difference
        verdict = "tie" if abs(difference) <= self.ties_within else "A" if difference > 0 else "B"
        return f"I am {self.name}.\nVerdict: {verdict}"


def sitting(judges, results, saved, *, concurrency=8, prices=None, max_tokens=None, seed=3):
    """Return the reviews of the results; `saved` holds (votes, turn) of earlier runs and of this one."""
    numbers = {int(re.match(r"g(\d+)", row.id)[1]) for row in results if row.role is Role.EXECUTOR}
    votes = {vote.id: vote for said, _ in saved for vote in said}
    return Sitting(
        goals={goal(n).id: goal(n) for n in numbers},
        results={row.id: row for row in results},
        judges={judge.name: judge for judge in judges},
        assignment=Assignment("c", Stage.RANK, "t", seed, concurrency, max_failure_rate=0.5),
        save=lambda said, turn: saved.append((said, turn)),
        votes=votes,
        turns={turn.id: turn for _, turn in saved},
        ledger=Ledger(prices, max_tokens),
    )


def asked(judges):
    """Return how many calls were made."""
    return sum(len(judge.prompts) for judge in judges)
