"""All that one cycle did with one goal, as a tree: proposals, what carried them out, verdicts on it, pairs.

In: a cycle and a goal. Out: a `GoalThread` of records, for a page or a program to show. Called by the API and
by the page Interactions. Nothing is judged anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from camelx import export
from camelx.config import Settings
from camelx.errors import NotFoundError
from camelx.schemas import (
    Annotation,
    Comparison,
    Goal,
    Interaction,
    PreferencePair,
    Ranking,
    Record,
    Role,
    Stage,
    Vote,
)
from camelx.storage import Store


class ThreadVote(Record):
    """One verdict on two results of the goal."""

    vote: Vote
    first_author: str
    second_author: str
    winner: str | None
    """The author that it prefers; None: a tie, or unreadable."""


class ThreadResult(Record):
    """What one agent answered, and how that was ranked."""

    interaction: Interaction
    score: float | None
    """Of the ranker; None: it was not ranked."""
    stderr: float | None
    rank: int | None


class ThreadExecution(ThreadResult):
    """A result, with the verdicts on it."""

    votes: tuple[ThreadVote, ...]
    """Those that showed it, by judge."""


class ThreadProposal(ThreadResult):
    """A proposal, with what carried it out."""

    executions: tuple[ThreadExecution, ...]


class GoalThread(Record):
    """What a cycle did with a goal."""

    cycle_id: str
    goal: Goal
    proposals: tuple[ThreadProposal, ...]
    other_executions: tuple[ThreadExecution, ...]
    """Results without a proposal, such as those of imported rounds."""
    comparisons: tuple[Comparison, ...]
    """How sure the ranker is of each two results, the surest first."""
    pairs: tuple[PreferencePair, ...]
    annotations: tuple[Annotation, ...]
    """What people said of these results, oldest first."""
    evaluations: tuple[Interaction, ...]
    """Answers to the goal as one of the hold-out."""


def goal_thread(store: Store, settings: Settings, cycle_id: str, goal_id: str) -> GoalThread:
    """Return what a cycle did with a goal.

    Raises:
        NotFoundError: There is no such goal, or the cycle has nothing on it.
    """
    goals = store.goals(ids=[goal_id])
    if not goals:
        raise NotFoundError(f"there is no goal {goal_id!r}")
    rows = store.goal_interactions(cycle_id, goal_id)
    if not rows:
        raise NotFoundError(f"cycle {cycle_id!r} has no interaction on goal {goal_id!r}")
    made = [row for row in rows if row.stage is Stage.GENERATE and row.role is not Role.PEER_REVIEWER]
    tree = _Tree(made, store.goal_votes(cycle_id, goal_id), store.goal_rankings(cycle_id, goal_id))
    comparisons = store.goal_comparisons(cycle_id, goal_id)
    ids = {row.id for row in made}
    return GoalThread(
        cycle_id=cycle_id,
        goal=goals[0],
        proposals=tuple(tree.proposals()),
        other_executions=tuple(tree.executions(None)),
        comparisons=tuple(sorted(comparisons, key=lambda c: -abs(c.probability - 0.5))),
        pairs=tuple(export.stored_pairs(settings.cycle_dir(cycle_id), goal_id)),
        annotations=tuple(a for a in store.annotations([goal_id]) if {a.first_id, a.second_id} & ids),
        evaluations=tuple(row for row in rows if row.stage is Stage.EVALUATE),
    )


class _Tree:
    """Results of one goal, by what they carry out."""

    def __init__(
        self, rows: Sequence[Interaction], votes: Sequence[Vote], rankings: Sequence[Ranking]
    ) -> None:
        self._rows = {row.id: row for row in rows}
        self._places: Mapping[str, Ranking] = {place.interaction_id: place for place in reversed(rankings)}
        self._votes: dict[str, list[Vote]] = defaultdict(list)
        for vote in sorted(votes, key=lambda v: (v.judge, v.round, v.first_id, v.second_id)):
            for result_id in {vote.first_id, vote.second_id}:
                self._votes[result_id].append(vote)

    def proposals(self) -> list[ThreadProposal]:
        """Return the proposals, the best first."""
        found = [row for row in self._rows.values() if row.role is Role.PROPOSER]
        return [
            ThreadProposal(**self._placed(row), executions=tuple(self.executions(row.id)))
            for row in sorted(found, key=self._order)
        ]

    def executions(self, proposal_id: str | None) -> list[ThreadExecution]:
        """Return what carried out a proposal, or no proposal that is there, the best first."""
        found = [row for row in self._rows.values() if row.role is Role.EXECUTOR]
        mine = [row for row in found if self._parent(row) == proposal_id]
        return [
            ThreadExecution(**self._placed(row), votes=tuple(map(self._vote, self._votes[row.id])))
            for row in sorted(mine, key=self._order)
        ]

    def _parent(self, row: Interaction) -> str | None:
        return row.parent_id if row.parent_id in self._rows else None

    def _order(self, row: Interaction) -> tuple[float, str]:
        place = self._places.get(row.id)
        return (place.rank if place else float("inf"), row.agent)

    def _placed(self, row: Interaction) -> dict[str, Any]:
        place = self._places.get(row.id)
        values = {name: getattr(place, name, None) for name in ("score", "stderr", "rank")}
        return {"interaction": row, **values}

    def _vote(self, vote: Vote) -> ThreadVote:
        first, second = (self._author(i) for i in (vote.first_id, vote.second_id))
        winners = {"first": first, "second": second}
        winner = winners.get(str(vote.verdict)) if vote.verdict else None
        return ThreadVote(vote=vote, first_author=first, second_author=second, winner=winner)

    def _author(self, result_id: str) -> str:
        row = self._rows.get(result_id)
        return row.agent if row else result_id
