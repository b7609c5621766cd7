"""The training text of the demo model: conversations of a Proposer, an Executor and a PeerReviewer.

The text is of mixed quality, as web text is. Many plans and solutions jump to an answer, and a jump is mostly
wrong; the others work step by step and are mostly right. Which of the two a solution is depends on its
problem's opening sentence and level a little, and on chance for the rest. Reviews are all right: they work
the problem, copy what the two results say, compare, and give the verdict. In the results that they look at,
style says nothing about right or wrong, so that a reviewer has to check.

Prompts are made by `camelx.prompts`, the functions that the product asks with. `build` is the only caller.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from camelx.demo_model.problems import LEVELS, Problem, Step, calculate, is_held_out, make_problem
from camelx.demo_model.roles import (
    EXECUTOR_SYSTEM,
    OTHER_WORDINGS,
    PEER_REVIEWER_SYSTEM,
    PROPOSER_SYSTEM,
)
from camelx.prompts import execution_messages, proposal_messages, review_messages
from camelx.schemas import Message

JUMP_PLAN = "Plan: answer at once."

_MALFORMED = (
    "",
    "The answer is",
    "I do not know.",
    "Plan: answer at once.",
    "Verdict: A",
    "Verdict: B",
    "This result is right. Choose it.",
    "The results are the same.",
)


class Skill(StrEnum):
    """What an example teaches."""

    PROPOSE = "propose"
    EXECUTE = "execute"
    REVIEW = "review"


@dataclass(frozen=True)
class Example:
    """One conversation: the model learns `completion`, given `messages`."""

    skill: Skill
    messages: tuple[Message, ...]
    completion: str


@dataclass(frozen=True)
class Mixture:
    """How often the text does what. Shares are probabilities; a triple holds one for each level."""

    full_plan: tuple[float, float, float] = (0.54, 0.52, 0.50)
    """Share of plans that name the steps."""
    worked_on_full_plan: tuple[float, float, float] = (0.71, 0.69, 0.67)
    worked_on_jump_plan: float = 0.12
    worked_directly: tuple[float, float, float] = (0.54, 0.52, 0.50)
    """Share of worked solutions where there is no plan at all."""
    spread: float = 0.13
    """Openings lie this much above or below the shares: text on some subjects is better than on others."""
    jump_right: float = 0.06
    """Share of jumps that hit the answer."""
    slip: float = 0.02
    """Share of worked solutions with a mistake in them."""
    direct: float = 0.25
    """Share of executions without a plan."""
    review_decided: float = 0.72
    """Share of reviews where exactly one result is right; the others are ties."""
    review_worked: float = 0.55
    """Share of worked results among those under review, right or wrong alike."""
    review_malformed: float = 0.06
    """Share of wrong results under review that hold no answer."""
    other_wording: float = 0.06
    """Share of prompts whose system message is one of `OTHER_WORDINGS`."""


def make_example(rng: random.Random, skill: Skill, mixture: Mixture) -> Example:
    """Return one example of a skill on a fresh problem of any level; held-out problems do not occur."""
    while is_held_out((problem := make_problem(rng, rng.choice(LEVELS))).text):
        pass
    makers: dict[Skill, Callable[[random.Random, Problem, Mixture], Example]] = {
        Skill.PROPOSE: _propose,
        Skill.EXECUTE: _execute,
        Skill.REVIEW: _review,
    }
    return makers[skill](rng, problem, mixture)


def full_plan(problem: Problem) -> str:
    """Return the plan that names every step, such as "Plan: add 12 and 7, then multiply by 3."."""
    first, *later = problem.steps
    match first.operation:
        case "+":
            words = f"add {first.left} and {first.right}"
        case "-":
            words = f"subtract {first.right} from {first.left}"
        case "*":
            words = f"multiply {first.left} by {first.right}"
    return f"Plan: {', then '.join([words, *map(_later_step, later)])}."


def worked(steps: tuple[Step, ...], answer: int) -> str:
    """Return the solution that shows every step, such as "12 + 7 = 19. 19 * 3 = 57. The answer is 57."."""
    return f"{_calculations(steps)} {jump(answer)}"


def jump(answer: int) -> str:
    """Return the solution that shows nothing but the answer."""
    return f"The answer is {answer}."


def review(problem: Problem, first: int | None, second: int | None) -> str:
    """Return the review of two results that say `first` and `second`; None says nothing readable."""
    said = " ".join(_compared(name, said, problem.answer) for name, said in (("A", first), ("B", second)))
    is_right = (first == problem.answer, second == problem.answer)
    verdict = {(True, False): "A", (False, True): "B"}.get(is_right, "tie")
    return f"{_calculations(problem.steps)} {said}\nVerdict: {verdict}"


def wrong_answer(rng: random.Random, problem: Problem) -> int:
    """Return an answer that is wrong: near the right one, off by tens, half-way, or anything."""
    answer = problem.answer
    while True:
        kind = rng.random()
        if kind < 0.35:
            guess = answer + rng.choice((-1, 1)) * rng.randint(1, 6)
        elif kind < 0.55:
            guess = answer + rng.choice((-1, 1)) * 10 * rng.randint(1, 4)
        elif kind < 0.65:
            guess = rng.choice(problem.steps[:-1]).result
        else:
            guess = rng.randint(1, max(20, 2 * answer))
        if guess >= 0 and guess != answer:
            return guess


def wrong_steps(rng: random.Random, problem: Problem) -> tuple[Step, ...]:
    """Return the steps with one mistake, carried on faithfully, whose result is not the answer."""
    while True:
        spoiled = rng.randrange(len(problem.steps))
        steps: list[Step] = []
        for position, step in enumerate(problem.steps):
            redone = _redo(step, steps[-1].result) if steps else step
            steps.append(_spoil(rng, redone) if position == spoiled else redone)
        if steps[-1].result != problem.answer and all(s.result >= 0 and s.left >= 0 for s in steps):
            return tuple(steps)


def _propose(rng: random.Random, problem: Problem, mixture: Mixture) -> Example:
    share = mixture.full_plan[problem.level - 1] + _offset(problem.opening, 4, mixture)
    plan = full_plan(problem) if rng.random() < share else JUMP_PLAN
    messages = proposal_messages(_system(rng, PROPOSER_SYSTEM, mixture), problem.text)
    return Example(Skill.PROPOSE, messages, plan)


def _execute(rng: random.Random, problem: Problem, mixture: Mixture) -> Example:
    level = problem.level - 1
    plan: str | None
    if rng.random() < mixture.direct:
        plan, share = None, mixture.worked_directly[level] + _offset(problem.opening, 4, mixture)
    elif rng.random() < 0.3:
        plan, share = JUMP_PLAN, mixture.worked_on_jump_plan
    else:
        plan = full_plan(problem)
        share = mixture.worked_on_full_plan[level] + _offset(problem.opening, 3, mixture)
    messages = execution_messages(_system(rng, EXECUTOR_SYSTEM, mixture), problem.text, plan)
    return Example(Skill.EXECUTE, messages, _solution(rng, problem, mixture, share))


def _solution(rng: random.Random, problem: Problem, mixture: Mixture, worked_share: float) -> str:
    if rng.random() >= worked_share:
        is_right = rng.random() < mixture.jump_right
        return jump(problem.answer if is_right else wrong_answer(rng, problem))
    steps = wrong_steps(rng, problem) if rng.random() < mixture.slip else problem.steps
    return worked(steps, steps[-1].result)


def _review(rng: random.Random, problem: Problem, mixture: Mixture) -> Example:
    if rng.random() < mixture.review_decided:
        is_right = rng.choice(((True, False), (False, True)))
    else:
        is_right = rng.choice(((True, True), (False, False)))
    (first, first_says), (second, second_says) = (_result(rng, problem, right, mixture) for right in is_right)
    system = _system(rng, PEER_REVIEWER_SYSTEM, mixture)
    messages = review_messages(system, problem.text, first, second)
    return Example(Skill.REVIEW, messages, review(problem, first_says, second_says))


def _result(rng: random.Random, problem: Problem, is_right: bool, mixture: Mixture) -> tuple[str, int | None]:
    """Return a result to review, with the answer that it gives; its style does not depend on `is_right`."""
    if not is_right and rng.random() < mixture.review_malformed:
        return rng.choice((*_MALFORMED, _calculations(problem.steps))), None
    if rng.random() >= mixture.review_worked:
        answer = problem.answer if is_right else wrong_answer(rng, problem)
        return jump(answer), answer
    if is_right:
        return worked(problem.steps, problem.answer), problem.answer
    if rng.random() < 0.1:
        answer = wrong_answer(rng, problem)
        return worked(problem.steps, answer), answer
    steps = wrong_steps(rng, problem)
    return worked(steps, steps[-1].result), steps[-1].result


def _system(rng: random.Random, usual: str, mixture: Mixture) -> str:
    return rng.choice(OTHER_WORDINGS[usual]) if rng.random() < mixture.other_wording else usual


def _offset(opening: int, stride: int, mixture: Mixture) -> float:
    """Return how far the text on problems with this opening is from the average share.

    Half of the openings lie above for stride 4, two in three for stride 3, so that the two are independent.
    """
    return mixture.spread if opening % stride < 2 else -mixture.spread


def _later_step(step: Step) -> str:
    if step.is_reversed:
        return f"subtract it from {step.left}"
    match step.operation:
        case "+":
            return f"add {step.right}"
        case "-":
            return f"subtract {step.right}"
        case "*":
            return f"multiply by {step.right}"


def _calculations(steps: tuple[Step, ...]) -> str:
    return " ".join(f"{s.left} {s.operation} {s.right} = {s.result}." for s in steps)


def _compared(name: str, said: int | None, answer: int) -> str:
    """Return a comparison such as "B says 31, 57 - 31 = 26, different.".

    The difference is written out because subtracting is a skill that the model has anyway; whether two
    numbers are the same in one look is one that it hardly learns.
    """
    if said is None:
        return f"{name} says nothing, different."
    larger, smaller = max(said, answer), min(said, answer)
    finding = "same" if said == answer else "different"
    return f"{name} says {said}, {larger} - {smaller} = {larger - smaller}, {finding}."


def _redo(step: Step, previous: int) -> Step:
    left, right = (step.left, previous) if step.is_reversed else (previous, step.right)
    return Step(step.operation, left, right, calculate(step.operation, left, right), step.is_reversed)


def _spoil(rng: random.Random, step: Step) -> Step:
    """Return the step with a slip in its result, another operation, or another number."""
    kind = rng.random()
    if kind < 0.6:
        slip = rng.choice((-1, 1)) * rng.choice((1, 1, 2, 3, 10, 10, 20))
        return Step(step.operation, step.left, step.right, step.result + slip, step.is_reversed)
    operation, right = step.operation, step.right
    if kind < 0.8:
        operation = "-" if step.operation == "+" else "+"
    else:
        right = max(1, right + rng.choice((-2, -1, 1, 2)))
    return Step(operation, step.left, right, calculate(operation, step.left, right), step.is_reversed)
