"""Lists of results for the forms "listwise" and "rating": many comparisons in one call.

In: the results of a goal, with their pairs in the order in which a ranking needs them. Out: ballots that
overlap, so that all results of the goal are connected, each list also in the reverse order.
"""

from __future__ import annotations

from collections.abc import Sequence

from camelx.config import RankingConfig
from camelx.ranking.reviewing.schedule import Ballot, GoalResults, both_orders
from camelx.schemas import Interaction


def list_ballots(goal: GoalResults, settings: RankingConfig) -> list[Ballot]:
    """Return the ballots of one goal.

    Lists are made until all results that somebody may judge are connected, and further until
    `comparisons_per_goal` pairs are covered. A list holds none of its judges' own work, no two equal texts,
    and at most `list_size` results.
    """
    plan = _Plan(goal, settings)
    for pair in goal.pairs:
        if not plan.is_connected(*pair):
            plan.add(pair)
    for pair in goal.pairs:
        if len(plan.covered) >= settings.comparisons_per_goal:
            break
        if _key(*pair) not in plan.covered:
            plan.add(pair)
    return plan.ballots


class _Plan:
    """The lists of one goal so far."""

    def __init__(self, goal: GoalResults, settings: RankingConfig) -> None:
        self._goal, self._settings = goal, settings
        self._turns = dict.fromkeys(goal.judges, 0)
        self._component = {result.id: result.id for result in goal.results}
        self._comparable = {_key(a, b) for a, b in goal.pairs}
        self.covered: set[frozenset[str]] = set()
        self.ballots: list[Ballot] = []

    def is_connected(self, a: Interaction, b: Interaction) -> bool:
        """Return whether a chain of lists leads from one result to the other."""
        return self._component[a.id] == self._component[b.id]

    def add(self, pair: tuple[Interaction, Interaction]) -> None:
        """Add a list that holds the pair, if anybody may judge it."""
        judges = sorted(self._goal.allowed(*pair), key=self._turns.__getitem__)
        judges = judges[: self._settings.reviewers_per_pair]
        if not judges:
            return
        members = self._grown(list(pair), judges)
        self.covered |= {_key(a, b) for i, a in enumerate(members) for b in members[:i]}
        old = {self._component[member.id] for member in members}
        self._component = {
            i: members[0].id if component in old else component for i, component in self._component.items()
        }
        for judge in judges:
            self._turns[judge] += 1
            shown = tuple(result.id for result in self._goal.rng.sample(members, len(members)))
            self.ballots += both_orders(Ballot(self._goal.goal_id, judge, shown, self._settings.form))

    def _grown(self, members: list[Interaction], judges: Sequence[str]) -> list[Interaction]:
        """Return the list with the results added that connect most, then that cover most new pairs."""
        while len(members) < self._settings.list_size:
            fitting = [
                result
                for result in self._goal.results
                if all(_key(result, member) in self._comparable for member in members)
                and set(judges) <= set(self._goal.allowed(result))
            ]
            if not fitting:
                break
            members.append(max(fitting, key=lambda result: self._worth(result, members)))
        return members

    def _worth(self, result: Interaction, members: Sequence[Interaction]) -> tuple[bool, int]:
        joins = not any(self.is_connected(result, member) for member in members)
        return joins, sum(_key(result, member) not in self.covered for member in members)


def _key(a: Interaction, b: Interaction) -> frozenset[str]:
    return frozenset((a.id, b.id))
