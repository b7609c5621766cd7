"""One score per held-out goal and policy: by the verifier where an answer is known, else by the votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camelx.config import EvaluationConfig
from camelx.errors import EvaluationError
from camelx.evaluation.verifiers import make_verifier
from camelx.schemas import Goal, Interaction, Verdict, Vote


@dataclass(frozen=True)
class Scores:
    """What both policies scored on the goals that could be scored."""

    goals: tuple[Goal, ...]
    champion: NDArray[np.float64]
    """Shape (n,), in [0, 1], in the order of `goals`."""
    challenger: NDArray[np.float64]
    unscored: tuple[str, ...] = ()
    """Ids of goals that count for neither policy: a call failed, or there is neither answer nor vote."""

    def by_level(self, policy: Literal["champion", "challenger"]) -> dict[str, float]:
        """Return the policy's mean score for each level of difficulty that occurs, easiest first."""
        scores: dict[int, list[float]] = defaultdict(list)
        for goal, value in zip(self.goals, getattr(self, policy), strict=True):
            if goal.level is not None:
                scores[goal.level].append(float(value))
        return {str(level): float(np.mean(scores[level])) for level in sorted(scores)}

    def rows(self) -> list[dict[str, Any]]:
        """Return one JSON-ready row per goal, the unscored ones with None for scores."""
        scored = [
            {"goal_id": goal.id, "level": goal.level, "champion": float(old), "challenger": float(new)}
            for goal, old, new in zip(self.goals, self.champion, self.challenger, strict=True)
        ]
        nothing = {"level": None, "champion": None, "challenger": None}
        return scored + [{"goal_id": goal_id, **nothing} for goal_id in self.unscored]


def score(
    goals: Sequence[Goal],
    champion: Sequence[Interaction],
    challenger: Sequence[Interaction],
    votes: Iterable[Vote],
    settings: EvaluationConfig,
) -> Scores:
    """Return both policies' scores on the same goals.

    A goal with an answer scores 1 where the verifier says so and the text is whole, else 0. A goal without
    one scores by the votes: 1, 0.5 or 0 for the challenger and the rest for the champion. Where the call of
    either failed, neither is scored: a server's fault says nothing of a policy.

    Args:
        goals: The hold-out, n goals.
        champion: The champion's n answers, in the order of the goals.
        challenger: The challenger's n answers, in the order of the goals.
        votes: Verdicts on the two answers of goals without an expected answer.
        settings: The evaluation section of the config.

    Raises:
        EvaluationError: An answer belongs to another goal, or a verifier can't work.
        ConfigError: The configured verifier is wrong.
    """
    for rows in (champion, challenger):
        _check_answers(goals, rows)
    verify = make_verifier(settings)
    judged = judged_scores(champion, challenger, votes)
    scored: list[Goal] = []
    pairs: list[tuple[float, float]] = []
    for goal, old, new in zip(goals, champion, challenger, strict=True):
        if old.error is not None or new.error is not None:
            continue
        if goal.answer is not None:
            pair = tuple(float(row.is_finished and verify(goal, row.completion)) for row in (old, new))
        elif goal.id in judged:
            pair = (1.0 - judged[goal.id], judged[goal.id])
        else:
            continue
        scored.append(goal)
        pairs.append((pair[0], pair[1]))
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    known = {goal.id for goal in scored}
    return Scores(
        tuple(scored), table[:, 0], table[:, 1], tuple(goal.id for goal in goals if goal.id not in known)
    )


def judged_scores(
    champion: Sequence[Interaction], challenger: Sequence[Interaction], votes: Iterable[Vote]
) -> dict[str, float]:
    """Return the challenger's score per goal: 1 where more readable votes are for it, 0.5 where as many.

    Equal texts score 0.5 without a vote. A goal without a readable vote is not in the result: an unreadable
    verdict is neither a tie nor a loss.
    """
    authors = {row.id: -1 for row in champion} | {row.id: 1 for row in challenger}
    balance: Mapping[str, list[int]] = defaultdict(list)
    for old, new in zip(champion, challenger, strict=True):
        if old.completion == new.completion:
            balance[new.goal_id].append(0)
    for vote in votes:
        if vote.verdict is None or not {vote.first_id, vote.second_id} <= authors.keys():
            continue
        winner = {Verdict.FIRST: vote.first_id, Verdict.SECOND: vote.second_id}.get(vote.verdict)
        balance[vote.goal_id].append(0 if winner is None else authors[winner])
    return {goal_id: (1 + int(np.sign(sum(signs)))) / 2 for goal_id, signs in balance.items()}


def _check_answers(goals: Sequence[Goal], rows: Sequence[Interaction]) -> None:
    if [row.goal_id for row in rows] != [goal.id for goal in goals]:
        raise EvaluationError(f"{len(rows)} answers do not belong, one by one, to the {len(goals)} goals")
