"""Word problems in plain English: what the demo model is trained on and what a default cycle works on.

A problem is an opening (one calculation), one or two events (one each) and a question, put together from
lists of sentences, so that each sentence stands for one operation wherever it occurs. All numbers are
whole and none is negative. `corpus` turns problems into training text; the default goal set comes from
`demo_goals`. Nothing here loads a model.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from camelx.schemas import Goal, Split

Operation = Literal["+", "-", "*"]

HELDOUT_SEED = 7_000_003
"""Held-out goals are drawn with this seed."""

HELDOUT_ONE_IN = 8
"""One text in so many is held out, by its checksum: a property of the text, so no list has to be kept."""

# fmt: off
NAMES = (
    "Ann", "Ben", "Carl", "Dina", "Emma", "Finn", "Gina", "Hugo", "Ines", "Jack", "Kate", "Leo", "Mia",
    "Nora", "Omar", "Paul", "Rosa", "Sam", "Tina", "Vera",
)
THINGS = (
    "apples", "balls", "beads", "books", "boxes", "buttons", "cakes", "candles", "cards", "coins", "cups",
    "eggs", "flowers", "keys", "lamps", "marbles", "nuts", "oranges", "pears", "pencils", "plates", "shells",
    "stamps", "stones", "tickets", "toys",
)
# fmt: on

# Each opening leaves {n} with the result of one calculation with {a} and {b}.
OPENINGS: tuple[tuple[str, Operation], ...] = (
    ("{n} has {a} {t} and buys {b} more.", "+"),
    ("{n} has {a} {t} and loses {b} of them.", "-"),
    ("{n} has {a} bags with {b} {t} in each.", "*"),
    ("{n} picks up {a} {t} on Monday and {b} on Tuesday.", "+"),
    ("There were {a} {t} in the room of {n}, but {b} broke and were thrown out.", "-"),
    ("{n} fills {a} shelves with {b} {t} each.", "*"),
    ("{m} gives {a} {t} to {n}, who had {b} before.", "+"),
    ("Out of {a} {t}, {n} keeps all but {b}.", "-"),
    ("{n} puts {a} {t} into each of {b} drawers.", "*"),
    ("{n} finds {a} {t} in the garden and {b} in the house.", "+"),
    ("A shop sends {a} {t} to {n}, and {b} get lost on the way.", "-"),
    ("{n} gets {a} {t} a day for {b} days.", "*"),
    ("{m} has {a} {t}. {n} has {b} more than {m}.", "+"),
    ("{m} has {a} {t}. {n} has {b} fewer than {m}.", "-"),
    ("{m} has {a} {t}. {n} has {b} times as many as {m}.", "*"),
    ("{n} counts {a} red {t} and {b} blue ones.", "+"),
    ("From a pile of {a} {t}, {n} takes {b} bad ones out.", "-"),
    ("{n} lays out {a} rows of {b} {t}.", "*"),
    ("{n} made {a} {t} last week and {b} this week.", "+"),
    ("A desk held {a} {t} until {n} sold {b}.", "-"),
)

# Each event changes what {n} has by one calculation with {c}.
EVENTS: tuple[tuple[str, Operation], ...] = (
    ("Then {n} buys {c} more.", "+"),
    ("{m} brings {c} more {t}.", "+"),
    ("Later {n} finds another {c}.", "+"),
    ("The next day {n} gets {c} as a gift.", "+"),
    ("After that, {c} are added.", "+"),
    ("{n} wins {c} in a game.", "+"),
    ("Then {n} gives {c} to {m}.", "-"),
    ("Later {n} sells {c} of them.", "-"),
    ("Some days later {c} of them are gone.", "-"),
    ("{m} borrows {c} of them.", "-"),
    ("After lunch {n} throws {c} away.", "-"),
    ("Then {c} are used up.", "-"),
    ("In a year {n} has {c} times as many.", "*"),
    ("Then a machine makes it {c} times as many.", "*"),
    ("The number grows to {c} times that.", "*"),
    ("Then {n} trades each one for {c} new ones.", "*"),
)

QUESTIONS = (
    "How many {t} does {n} have now?",
    "How many {t} are there in the end?",
    "How many {t} does that make?",
    "What is the number of {t} now?",
)

# The last event of some problems asks for what is missing: the calculation is {c} - result.
WANTED = "{n} wants {c} in all."
WANTED_QUESTION = "How many {t} are missing?"
WANTED_SHARE = 0.08


@dataclass(frozen=True)
class Step:
    """One calculation: `left` `operation` `right` = `result`."""

    operation: Operation
    left: int
    right: int
    result: int
    is_reversed: bool = False
    """Whether the result of the step before stands on the right ("subtract it from 40")."""


@dataclass(frozen=True)
class Problem:
    """One word problem with its solution."""

    text: str
    answer: int
    steps: tuple[Step, ...]
    level: int
    """1: two steps, small numbers; 2: two steps, larger numbers; 3: three steps, small numbers; 4: three
    steps, larger numbers."""
    opening: int
    """Index in `OPENINGS`."""


@dataclass(frozen=True)
class _Range:
    n_steps: int
    largest_term: int
    largest_factor: int
    largest_result: int


_RANGES = {
    1: _Range(2, 20, 4, 80),
    2: _Range(2, 40, 5, 200),
    3: _Range(3, 25, 3, 150),
    4: _Range(3, 40, 5, 200),
}
LEVELS = (1, 2, 3)
"""What the demo model's training text is made of."""

GOAL_LEVELS = (*LEVELS, 4)
"""What cycles work on: the last level joins what the text keeps apart, and leaves later cycles to climb."""


def make_problems(
    n: int,
    *,
    seed: int,
    levels: Sequence[int] = LEVELS,
    exclude: Collection[str] = (),
    split: Split = Split.TRAIN,
) -> list[Problem]:
    """Return `n` problems with distinct texts, the levels in turn; the same arguments give the same list.

    Args:
        n: How many.
        seed: Seed of the random numbers.
        levels: Levels to take in turn, each one of `GOAL_LEVELS`.
        exclude: Texts that must not occur.
        split: Which texts may occur; none belongs to both splits (see `is_held_out`).

    Raises:
        ValueError: `levels` is empty or holds an unknown level.
    """
    if not levels or any(level not in _RANGES for level in levels):
        raise ValueError(f"levels must be some of {list(_RANGES)}, got {list(levels)}")
    rng = random.Random(seed)
    seen = set(exclude)
    problems: list[Problem] = []
    while len(problems) < n:
        problem = make_problem(rng, levels[len(problems) % len(levels)])
        if problem.text not in seen and is_held_out(problem.text) == (split is Split.HELDOUT):
            seen.add(problem.text)
            problems.append(problem)
    return problems


def demo_goals(
    n: int,
    *,
    seed: int,
    levels: Sequence[int] = GOAL_LEVELS,
    split: Split = Split.TRAIN,
    exclude: Collection[str] = (),
) -> list[Goal]:
    """Return `n` goals with their answers.

    Args:
        n: How many.
        seed: Seed of training goals; held-out goals come from `HELDOUT_SEED` and are the same for every seed.
        levels: Levels to take in turn.
        split: Which set they belong to.
        exclude: Texts that must not occur.
    """
    seed = HELDOUT_SEED if split is Split.HELDOUT else seed
    problems = make_problems(n, seed=seed, levels=levels, exclude=exclude, split=split)
    return [goal_of(problem, split) for problem in problems]


def is_held_out(text: str) -> bool:
    """Return whether a problem of this text is kept from all training, the demo model's own included."""
    return zlib.crc32(text.encode()) % HELDOUT_ONE_IN == 0


def make_problem(rng: random.Random, level: int) -> Problem:
    """Return one problem of the level, drawn with `rng`."""
    limits = _RANGES[level]
    while (problem := _try_problem(rng, level, limits)) is None:
        pass
    return problem


def goal_of(problem: Problem, split: Split = Split.TRAIN) -> Goal:
    """Return the problem as a goal of the source "demo"."""
    return Goal.new(
        problem.text,
        answer=str(problem.answer),
        verifier="numeric",
        category="word-problem",
        level=problem.level,
        split=split,
        source="demo",
    )


def _try_problem(rng: random.Random, level: int, limits: _Range) -> Problem | None:
    """Return a problem, or None where a number left the range of the level."""
    opening = rng.randrange(len(OPENINGS))
    template, operation = OPENINGS[opening]
    n, m = rng.sample(NAMES, 2)
    words: dict[str, object] = {"n": n, "m": m, "t": rng.choice(THINGS)}
    a = rng.randint(2, limits.largest_term)
    b = _operand(rng, operation, limits)
    sentences = [template.format(a=a, b=b, **words)]
    steps = [Step(operation, a, b, calculate(operation, a, b))]
    question = rng.choice(QUESTIONS)
    for position in range(1, limits.n_steps):
        is_last = position == limits.n_steps - 1
        if is_last and rng.random() < WANTED_SHARE:
            sentence, question = WANTED, WANTED_QUESTION
            step, c = _wanted(rng, steps[-1].result, limits)
        else:
            sentence, operation = rng.choice(EVENTS)
            c = _operand(rng, operation, limits)
            previous = steps[-1].result
            step = Step(operation, previous, c, calculate(operation, previous, c))
        sentences.append(sentence.format(c=c, **words))
        steps.append(step)
    if not all(1 <= step.result <= limits.largest_result for step in steps):
        return None
    text = " ".join([*sentences, question.format(**words)])
    return Problem(text, steps[-1].result, tuple(steps), level, opening)


def _wanted(rng: random.Random, previous: int, limits: _Range) -> tuple[Step, int]:
    total = previous + rng.randint(2, limits.largest_term)
    return Step("-", total, previous, total - previous, is_reversed=True), total


def _operand(rng: random.Random, operation: Operation, limits: _Range) -> int:
    return rng.randint(2, limits.largest_factor if operation == "*" else limits.largest_term)


def calculate(operation: Operation, left: int, right: int) -> int:
    """Return the result of one calculation."""
    match operation:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
