"""The votes that may be bought: goals, pairs and judges in the codes that `choosing` works on.

In: the scheduled pairs, or a frame of recorded votes. Out: a `Menu`, which also takes a choice back to the
ballot, and a vote to the choice that it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from camelx.ranking.reviewing.choosing import Ask
from camelx.ranking.reviewing.schedule import Ballot, Bout, GoalResults
from camelx.ranking.votes import Codes, Flags


@dataclass(frozen=True)
class Menu:
    """What may be asked."""

    goals: tuple[str, ...]
    pairs: tuple[tuple[tuple[str, str], ...], ...]
    """For each goal its pairs, the lesser id first."""
    judges: tuple[str, ...]
    may_ask: tuple[Flags, ...]
    """For each goal (2, k, r): may the judge be asked, with high first, with low first."""

    @property
    def codes(self) -> list[Codes]:
        """Return for each goal (k, 2) its pairs as numbers."""
        return [np.unique(np.array(pairs), return_inverse=True)[1].reshape(-1, 2) for pairs in self.pairs]

    @cached_property
    def _places(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        return {
            (goal, *pair): (g, p)
            for g, (goal, pairs) in enumerate(zip(self.goals, self.pairs, strict=True))
            for p, pair in enumerate(pairs)
        }

    @cached_property
    def _reviewers(self) -> dict[str, int]:
        return {judge: j for j, judge in enumerate(self.judges)}

    def ballot(self, ask: Ask) -> Ballot:
        """Return the question that a choice stands for."""
        pair = self.pairs[ask.goal][ask.pair]
        return Ballot(
            self.goals[ask.goal], self.judges[ask.reviewer], pair if ask.is_low_first else pair[::-1]
        )

    def find(self, goal: str, judge: str, first: str, second: str) -> Ask | None:
        """Return the choice that a vote answers; None: it is not on the menu."""
        low, high = min(first, second), max(first, second)
        place, reviewer = self._places.get((goal, low, high)), self._reviewers.get(judge)
        if place is None or reviewer is None:
            return None
        return Ask(*place, reviewer, first == low)


def scheduled_menu(goals: Sequence[tuple[GoalResults, Sequence[Bout]]], judges: Sequence[str]) -> Menu:
    """Return the votes on scheduled pairs: of every judge who wrote neither side, in both orders."""
    goals = [(goal, bouts) for goal, bouts in goals if bouts]
    judges = tuple(sorted(judges))
    return Menu(
        goals=tuple(goal.goal_id for goal, _ in goals),
        pairs=tuple(tuple(_low_high(b.first.id, b.second.id) for b in bouts) for _, bouts in goals),
        judges=judges,
        may_ask=tuple(
            np.repeat([[[judge in bout.allowed for judge in judges] for bout in bouts]], 2, axis=0)
            for _, bouts in goals
        ),
    )


def recorded_menu(votes: pd.DataFrame) -> Menu:
    """Return the votes of a frame as if they were still to be asked for."""
    names = [votes[column].to_numpy(dtype=object) for column in ("goal_id", "judge", "first_id", "second_id")]
    pairs: dict[str, dict[tuple[str, str], int]] = {}
    judges = {judge: j for j, judge in enumerate(sorted(set(names[1])))}
    places: dict[str, list[tuple[int, int, int]]] = {}
    for goal, judge, first, second in zip(*names, strict=True):
        of_goal, pair = pairs.setdefault(goal, {}), _low_high(first, second)
        at = (int(first == pair[0]), of_goal.setdefault(pair, len(of_goal)), judges[judge])
        places.setdefault(goal, []).append(at)
    may_ask = []
    for goal, asked in places.items():
        may_ask.append(np.zeros((2, len(pairs[goal]), len(judges)), dtype=bool))
        may_ask[-1][tuple(np.array(asked).T)] = True
    return Menu(tuple(pairs), tuple(tuple(p) for p in pairs.values()), tuple(judges), tuple(may_ask))


def _low_high(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)
