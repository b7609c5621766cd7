"""Agents that answer by rule, with arithmetic that is right or wrong: demo data has them in place of models.

In: the messages that real agents are asked with. Out: what a model of middling skill might say. How often
each agent is right stands in `AGENTS`; the same seed gives the same answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from camelx.demo_model.corpus import JUMP_PLAN, full_plan, jump, review, worked, wrong_answer, wrong_steps
from camelx.demo_model.problems import Problem
from camelx.demo_model.roles import EXECUTOR_SYSTEM, PEER_REVIEWER_SYSTEM, PROPOSER_SYSTEM
from camelx.errors import AgentError
from camelx.schemas import Message, Reply, Role

MODEL = "demo-data"
"""Named as the model behind every interaction, so that nobody takes these for a model's."""

SYSTEMS = {
    Role.PROPOSER: PROPOSER_SYSTEM,
    Role.EXECUTOR: EXECUTOR_SYSTEM,
    Role.PEER_REVIEWER: PEER_REVIEWER_SYSTEM,
}
"""System messages by role."""
_RESULT = re.compile(r"<result_([ab])>\n(.*?)\n</result_\1>", re.DOTALL)
_ANSWER = re.compile(r"The answer is (\d+)\.")
_FAILED = 0.004
"""Share of calls that fail, as a server's do now and then."""
_UNREADABLE = 0.01
"""Share of reviews without a verdict."""
_CHARS_PER_TOKEN, _SECONDS_PER_TOKEN = 4, 0.011


@dataclass(frozen=True)
class Skill:
    """How good one agent is."""

    name: str
    role: Role
    good: float
    """Share of full plans, of right solutions that follow one, or of reviews that work the goal out right."""
    unaided: float = 0.0
    """Executors: share of right solutions on a plan that only says to guess."""
    favours_first: float = 0.0
    """Reviewers: share of undecided reviews that name what was shown first."""
    samples: int = 1


AGENTS = (
    Skill("demo-proposer-1", Role.PROPOSER, 0.75, samples=2),
    Skill("demo-proposer-2", Role.PROPOSER, 0.45, samples=2),
    Skill("demo-executor-1", Role.EXECUTOR, 0.85, unaided=0.35),
    Skill("demo-executor-2", Role.EXECUTOR, 0.65, unaided=0.2),
    Skill("demo-reviewer-1", Role.PEER_REVIEWER, 0.96),
    Skill("demo-reviewer-2", Role.PEER_REVIEWER, 0.86, favours_first=0.2),
    Skill("demo-reviewer-3", Role.PEER_REVIEWER, 0.68, favours_first=0.7),
)


@dataclass(frozen=True)
class RuleAgent:
    """An `Agent` for the problems that it knows; it can't be asked about others."""

    skill: Skill
    problems: Mapping[str, Problem]
    """By text."""
    model: str = MODEL
    adapter_version: str | None = None

    @property
    def name(self) -> str:
        """Unique in the cycle."""
        return self.skill.name

    @property
    def role(self) -> Role:
        """What the agent does."""
        return self.skill.role

    @property
    def system(self) -> str:
        """Its system message."""
        return SYSTEMS[self.skill.role]

    @property
    def samples(self) -> int:
        """Answers asked for per prompt."""
        return self.skill.samples

    async def ask(self, messages: Sequence[Message], *, seed: int) -> Reply:
        """Return the answer to the messages.

        Raises:
            AgentError: A share of the calls fails, as with real servers.
        """
        rng = random.Random(seed)
        if rng.random() < _FAILED:
            raise AgentError("timeout after 120 s (demo data)", agent=self.name, retryable=True)
        goal, _, rest = messages[-1].content.removeprefix("Goal: ").partition("\n")
        problem = self.problems[goal]
        match self.role:
            case Role.PROPOSER:
                text = plan_of(rng, self.skill, problem)
            case Role.EXECUTOR:
                text = solution_of(rng, self.skill, problem, rest.removeprefix("Proposal: "))
            case Role.PEER_REVIEWER:
                text = review_of(rng, self.skill, problem, dict(_RESULT.findall(rest)))
        asked = sum(len(message.content) for message in messages) // _CHARS_PER_TOKEN
        n_tokens = len(text) // _CHARS_PER_TOKEN + 1
        return Reply(
            text=text,
            prompt_tokens=asked,
            completion_tokens=n_tokens,
            latency_s=round(n_tokens * _SECONDS_PER_TOKEN * rng.uniform(0.7, 1.6), 3),
            seed=seed,
        )


def plan_of(rng: random.Random, skill: Skill, problem: Problem) -> str:
    """Return a Proposer's plan."""
    return full_plan(problem) if rng.random() < skill.good else JUMP_PLAN


def solution_of(rng: random.Random, skill: Skill, problem: Problem, plan: str) -> str:
    """Return an Executor's solution, worked on a full plan and jumped to on the other."""
    is_guess = plan == JUMP_PLAN
    is_right = rng.random() < (skill.unaided if is_guess else skill.good)
    if is_guess:
        return jump(problem.answer if is_right else wrong_answer(rng, problem))
    steps = problem.steps if is_right else wrong_steps(rng, problem)
    return worked(steps, steps[-1].result)


def review_of(rng: random.Random, skill: Skill, problem: Problem, results: Mapping[str, str]) -> str:
    """Return a PeerReviewer's review of the results "a" and "b", right or wrong."""
    believed = problem
    if rng.random() >= skill.good:
        steps = wrong_steps(rng, problem)
        believed = replace(problem, steps=steps, answer=steps[-1].result)
    text = review(believed, answer_in(results.get("a", "")), answer_in(results.get("b", "")))
    if text.endswith("tie") and rng.random() < skill.favours_first:
        text = text.removesuffix("tie") + "A"
    return text.partition("\nVerdict")[0] if rng.random() < _UNREADABLE else text


def answer_in(text: str) -> int | None:
    """Return the number that a solution gives; None: it gives none."""
    found = _ANSWER.findall(text)
    return int(found[-1]) if found else None
