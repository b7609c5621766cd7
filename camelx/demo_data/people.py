"""What three people say of pairs of demo data: they overlap, disagree, and are asked again.

In: a cycle's comparisons and results. Out: annotations. How careful each of them is stands in `PEOPLE`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from camelx.annotation import annotation_id
from camelx.demo_data.agents import answer_in
from camelx.demo_model.corpus import JUMP_PLAN, full_plan, worked
from camelx.demo_model.problems import Problem
from camelx.schemas import Annotation, Comparison, Interaction, Role, Verdict

HumanVerdict = Verdict | Literal["both_bad"]


@dataclass(frozen=True)
class Person:
    """How somebody judges."""

    name: str
    careful: float
    """Share of verdicts that follow the facts."""
    seconds: float
    """Usual time for one pair."""
    explains: float
    """Share of verdicts with a rationale."""


PEOPLE = (
    Person("ada", 0.97, 14.0, 0.4),
    Person("ben", 0.86, 8.0, 0.15),
    Person("chloe", 0.76, 21.0, 0.3),
)
_OVERLAP = 0.6
"""Share of the judged pairs that all three judge; the others have one annotator each."""
_REPEATS = 0.25
"""Share of somebody's pairs that they are asked again."""
_VERDICTS: tuple[HumanVerdict, ...] = (Verdict.FIRST, Verdict.SECOND, Verdict.TIE, "both_bad")
_SWAPPED: Mapping[HumanVerdict, HumanVerdict] = {
    Verdict.FIRST: Verdict.SECOND,
    Verdict.SECOND: Verdict.FIRST,
}


def annotations_of(
    comparisons: Sequence[Comparison],
    results: Mapping[str, Interaction],
    problems: Mapping[str, Problem],
    *,
    start: datetime,
    seed: int,
) -> list[Annotation]:
    """Return what the three say of these pairs, each pair with one of them or all.

    Args:
        comparisons: The pairs.
        results: Interactions by id.
        problems: By goal id.
        start: When the first verdict is given.
        seed: Of the draws.
    """
    rng, said = random.Random(seed), []
    for i, pair in enumerate(comparisons):
        judges = PEOPLE if rng.random() < _OVERLAP else (PEOPLE[i % len(PEOPLE)],)
        for person in judges:
            begun = start + timedelta(minutes=2 * i, seconds=20 * PEOPLE.index(person))
            said.append(_first(rng, person, pair, results, problems[pair.goal_id], begun))
    later = max((a.created_at for a in said), default=start) + timedelta(hours=1)
    for person in PEOPLE:
        mine = [a for a in said if a.annotator == person.name]
        again = rng.sample(mine, round(_REPEATS * len(mine)))
        said += [_again(rng, person, a, later + timedelta(minutes=2 * i)) for i, a in enumerate(again)]
    return said


def _first(
    rng: random.Random,
    person: Person,
    pair: Comparison,
    results: Mapping[str, Interaction],
    problem: Problem,
    moment: datetime,
) -> Annotation:
    ids = [pair.first_id, pair.second_id]
    rng.shuffle(ids)
    shown = [results[i] for i in ids]
    is_good = [_is_good(row, problem) for row in shown]
    fact = _fact(is_good[0], is_good[1])
    verdict = fact if rng.random() < person.careful else rng.choice([v for v in _VERDICTS if v != fact])
    seconds = round(person.seconds * rng.lognormvariate(0, 0.45), 1)
    return Annotation(
        id=annotation_id((ids[0], ids[1]), person.name),
        goal_id=pair.goal_id,
        first_id=ids[0],
        second_id=ids[1],
        annotator=person.name,
        verdict=verdict,
        rating=_rating(rng, verdict, any(is_good)),
        rationale=_rationale(verdict, shown) if rng.random() < person.explains else None,
        edited_text=_better(shown[0].role, problem) if verdict == "both_bad" and rng.random() < 0.5 else None,
        duration_s=seconds,
        created_at=moment + timedelta(seconds=seconds),
    )


def _again(rng: random.Random, person: Person, earlier: Annotation, moment: datetime) -> Annotation:
    """Return the second verdict on a pair, mostly the first one once more, the sides shown swapped."""
    verdict = _SWAPPED.get(earlier.verdict, earlier.verdict)
    if rng.random() >= person.careful:
        verdict = rng.choice([v for v in _VERDICTS if v != verdict])
    return earlier.model_copy(
        update={
            "id": annotation_id((earlier.first_id, earlier.second_id), person.name, repeat=1),
            "first_id": earlier.second_id,
            "second_id": earlier.first_id,
            "verdict": verdict,
            "rationale": None,
            "edited_text": None,
            "repeat": 1,
            "duration_s": round(0.7 * (earlier.duration_s or person.seconds), 1),
            "created_at": moment,
        }
    )


def _is_good(row: Interaction, problem: Problem) -> bool:
    if row.role is Role.PROPOSER:
        return row.completion != JUMP_PLAN
    return answer_in(row.completion) == problem.answer


def _fact(first: bool, second: bool) -> HumanVerdict:
    if first == second:
        return Verdict.TIE if first else "both_bad"
    return Verdict.FIRST if first else Verdict.SECOND


def _rating(rng: random.Random, verdict: HumanVerdict, is_any_good: bool) -> int:
    return rng.choice((1, 2)) if verdict == "both_bad" or not is_any_good else rng.choice((4, 4, 5))


def _rationale(verdict: HumanVerdict, shown: Sequence[Interaction]) -> str:
    said = [answer_in(row.completion) for row in shown]
    if said == [None, None]:
        return "A plan that names its steps is worth more than a guess."
    match verdict:
        case Verdict.FIRST:
            return f"I worked it out: {said[0]} is right, {said[1]} is not."
        case Verdict.SECOND:
            return f"I worked it out: {said[1]} is right, {said[0]} is not."
        case Verdict.TIE:
            return f"Both say {said[0]}." if said[0] == said[1] else "Neither is better."
    return f"Neither {said[0]} nor {said[1]} is right."


def _better(role: Role, problem: Problem) -> str:
    return full_plan(problem) if role is Role.PROPOSER else worked(problem.steps, problem.answer)
