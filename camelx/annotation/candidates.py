"""What of a cycle can be judged, read once: which pairs are one item, and how much a verdict would teach.

In: the comparisons of a ranked cycle, the results and the votes behind them. Out: an immutable `CycleIndex`
without texts, which the queue keeps for as long as the cycle is not ranked anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from camelx.annotation.items import same_texts, twin_pairs
from camelx.schemas import Comparison, Interaction, Role, Stage, Verdict, Vote, stable_id
from camelx.storage import Store

PairKey = tuple[str, str]


@dataclass(frozen=True)
class Candidate:
    """One item that can be judged: a pair, or several of the very same texts."""

    key: str
    """Address of its first pair."""
    cycle_id: str
    goal_id: str
    category: str
    role: Role
    pairs: tuple[PairKey, ...]
    """Ids of the results, each pair with the same text first."""
    doubt: float
    """0 to 2: how unsure the agents are, see `doubt`."""

    @property
    def overlap_draw(self) -> float:
        """A number in [0, 1) of the item alone: below the share of overlap, several people judge it."""
        return drawn("overlap", self.key)


@dataclass(frozen=True)
class CycleIndex:
    """What can be judged of one cycle's ranking."""

    cycle_id: str
    number: int
    ranking: str
    candidates: tuple[Candidate, ...]

    @cached_property
    def by_key(self) -> Mapping[str, Candidate]:
        """The candidates by key."""
        return {candidate.key: candidate for candidate in self.candidates}

    @cached_property
    def by_pair(self) -> Mapping[PairKey, Candidate]:
        """The candidates by each of their pairs, the lesser id first."""
        return {pair_key(*pair): candidate for candidate in self.candidates for pair in candidate.pairs}

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Categories of the goals that have something to judge."""
        return tuple(sorted({candidate.category for candidate in self.candidates}))


def read_index(store: Store, cycle_id: str, number: int, ranking: str) -> CycleIndex:
    """Return what can be judged of the cycle, without pairs that no verdict makes a preference pair of."""
    comparisons = store.comparisons(cycle_id)
    results = store.interactions_by_id({i for c in comparisons for i in (c.first_id, c.second_id)})
    categories = {
        goal.id: goal.category for goal in store.goals(ids=sorted({c.goal_id for c in comparisons}))
    }
    votes = {vote.id: vote for vote in store.votes(cycle_id)}
    parents = {i: row.parent_id for i, row in store.interactions_by_id(_voted_on(votes.values())).items()}
    return CycleIndex(
        cycle_id,
        number,
        ranking,
        tuple(
            _candidate(group, results, categories, votes, parents)
            for group in same_texts(comparisons, results)
        ),
    )


def lone_candidate(store: Store, pair: PairKey) -> Candidate | None:
    """Return two results that no ranking compares as an item of their own; None: they can't be judged."""
    rows = store.interactions_by_id(pair)
    if len(rows) != 2:
        return None
    first, second = (rows[i] for i in pair)
    if not can_be_judged(first, second):
        return None
    categories = {goal.id: goal.category for goal in store.goals(ids=[first.goal_id])}
    return _candidate([_bare(first, second)], rows, categories, {}, {})


def can_be_judged(first: Interaction, second: Interaction) -> bool:
    """Return whether a person may judge the two: different, finished answers to the same messages."""
    is_generated = first.stage is second.stage is Stage.GENERATE and first.cycle_id == second.cycle_id
    rows = {first.id: first, second.id: second}
    return is_generated and first.role is second.role and bool(same_texts([_bare(first, second)], rows))


def _bare(first: Interaction, second: Interaction) -> Comparison:
    """Return a comparison of two results that nobody has compared."""
    return Comparison(
        cycle_id=first.cycle_id,
        goal_id=first.goal_id,
        role=first.role,
        first_id=first.id,
        second_id=second.id,
        probability=0.5,
        n_votes=0,
        n_orders=0,
    )


def doubt(probability: float, outcomes: Sequence[float]) -> float:
    """Return how unsure the agents are of a pair: 1 - |2p - 1|, plus the variance of their votes.

    Each part lies in [0, 1]: the first is 1 where the ranking calls it even, the second where half of the
    votes prefer one result and half the other (votes are 1, -1, or 0 for a tie).

    Examples:
        >>> doubt(0.5, [1.0, -1.0]), doubt(1.0, [1.0, 1.0]), doubt(0.5, [0.0, 0.0])
        (2.0, 0.0, 1.0)
    """
    n = len(outcomes)
    mean = sum(outcomes) / n if n else 0.0
    variance = sum((outcome - mean) ** 2 for outcome in outcomes) / n if n else 0.0
    return 1 - abs(2 * probability - 1) + variance


def pair_key(first_id: str, second_id: str) -> PairKey:
    """Return the two ids, the lesser one first."""
    return (first_id, second_id) if first_id < second_id else (second_id, first_id)


def drawn(*of: object) -> float:
    """Return a number in [0, 1) that depends on nothing but `of`: as good as random, the same every time."""
    return int(stable_id("draw", *of)[:12], 16) / 16**12


def _candidate(
    group: Sequence[Comparison],
    results: Mapping[str, Interaction],
    categories: Mapping[str, str],
    votes: Mapping[str, Vote],
    parents: Mapping[str, str | None],
) -> Candidate:
    lead = group[0]
    return Candidate(
        key=stable_id("item", lead.first_id, lead.second_id),
        cycle_id=lead.cycle_id,
        goal_id=lead.goal_id,
        category=categories[lead.goal_id],
        role=lead.role,
        pairs=twin_pairs(group, results),
        doubt=max(doubt(c.probability, outcomes_of(c, votes, parents)) for c in group),
    )


def outcomes_of(
    comparison: Comparison, votes: Mapping[str, Vote], parents: Mapping[str, str | None]
) -> list[float]:
    """Return what each readable vote behind the comparison says: 1 its first result, -1 its second, 0 a tie.

    Proposals are voted on through their executions, whose `parents` they are.
    """
    found = []
    for vote in (votes[i] for i in comparison.vote_ids if i in votes):
        first: str | None = vote.first_id
        if comparison.role is Role.PROPOSER:
            first = parents.get(vote.first_id)
        sign = 1.0 if first == comparison.first_id else -1.0
        if vote.verdict is not None:
            found.append(sign * _OUTCOMES[vote.verdict])
    return found


_OUTCOMES = {Verdict.FIRST: 1.0, Verdict.SECOND: -1.0, Verdict.TIE: 0.0}


def _voted_on(votes: Iterable[Vote]) -> set[str]:
    return {i for vote in votes for i in (vote.first_id, vote.second_id)}
