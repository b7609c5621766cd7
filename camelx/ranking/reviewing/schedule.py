"""Who reviews which results: the ballots of a stage, fixed by the seed.

In: the finished results of a cycle and the judges' names. Out: `Ballot`s, each in both orders. The pairs of
the form "pairwise" are chosen here, and offered to the buyer as they are; `lists` makes the lists of the
other forms from the same order of importance.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from camelx.config import RankingConfig
from camelx.errors import ConfigError
from camelx.schemas import Interaction, ReviewForm, stable_id

Pair = tuple[Interaction, Interaction]


@dataclass(frozen=True)
class Ballot:
    """One question to one judge: how do these results compare, shown in this order."""

    goal_id: str
    judge: str
    shown: tuple[str, ...]
    """Ids of the results, the first one shown as A."""
    form: ReviewForm = "pairwise"
    round: int = 0
    """1: asked again after a discussion."""
    replies: tuple[str, ...] = field(default=(), compare=False)
    """Of a discussion: the judge's own earlier reply, and the other reviewer's."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs that the answer compares, the result that is shown earlier first."""
        return list(itertools.combinations(self.shown, 2))


def both_orders(ballot: Ballot) -> tuple[Ballot, Ballot]:
    """Return the ballot and the one that shows the same results in the reverse order."""
    return ballot, Ballot(ballot.goal_id, ballot.judge, ballot.shown[::-1], ballot.form)


@dataclass(frozen=True)
class Bout:
    """Two results that are to be compared."""

    first: Interaction
    second: Interaction
    allowed: tuple[str, ...]
    """Judges who wrote neither, sorted."""
    judges: tuple[str, ...]
    """Those of them whose turn it is."""


@dataclass(frozen=True)
class GoalResults:
    """What of a goal is compared, and by whom it may be."""

    goal_id: str
    results: Sequence[Interaction]
    """Finished, one for each text of each proposal."""
    pairs: Sequence[Pair]
    """All comparable pairs, those first that a ranking needs most."""
    judges: Sequence[str]
    """In the order in which they take turns."""
    writers: Mapping[str, frozenset[str]]
    """By result: its agent, and the author of the proposal that it carries out."""
    rng: random.Random

    def allowed(self, *results: Interaction) -> list[str]:
        """Return the judges who wrote none of the results."""
        barred = frozenset[str]().union(*(self.writers[result.id] for result in results))
        return [judge for judge in self.judges if judge not in barred]


def goal_results(
    results: Sequence[Interaction], parents: Mapping[str, Interaction], judges: Sequence[str], seed: int
) -> list[GoalResults]:
    """Return what is compared, goal by goal, sorted.

    Unfinished results, and equal texts, are not compared; of several equal results of one proposal one
    stands for all. What is made of a goal depends on the seed and on that goal alone, not on the order of
    `results`.

    Args:
        results: What is compared, of any number of goals.
        parents: Proposals by id.
        judges: Names of the agents that may review.
        seed: Fixes all that is random.
    """
    by_goal: dict[str, list[Interaction]] = defaultdict(list)
    for result in sorted(results, key=lambda r: r.id):
        if result.is_finished:
            by_goal[result.goal_id].append(result)
    made = []
    for goal_id in sorted(by_goal):
        rng = random.Random(stable_id("ballots", seed, goal_id))
        distinct = _distinct(by_goal[goal_id])
        pairs = _pairs_by_priority(distinct, rng)
        turns = rng.sample(sorted(judges), len(judges))
        writers = {result.id: _writers(result, parents) for result in distinct}
        made.append(GoalResults(goal_id, distinct, pairs, turns, writers, rng))
    return made


def schedule_bouts(goal: GoalResults, settings: RankingConfig) -> list[Bout]:
    """Return the first `comparisons_per_goal` pairs that anybody may judge, the judges taking turns."""
    bouts: list[Bout] = []
    turns = dict.fromkeys(goal.judges, 0)
    for a, b in goal.pairs:
        if len(bouts) == settings.comparisons_per_goal:
            break
        allowed = goal.allowed(a, b)
        chosen = sorted(allowed, key=turns.__getitem__)[: settings.reviewers_per_pair]
        for judge in chosen:
            turns[judge] += 1
        if chosen:
            bouts.append(Bout(a, b, tuple(sorted(allowed)), tuple(chosen)))
    return bouts


def bout_ballots(goal: GoalResults, bouts: Sequence[Bout]) -> list[Ballot]:
    """Return the ballots on the bouts: for each judge both orders, a random one first."""
    return [
        ballot
        for bout in bouts
        for judge in bout.judges
        for ballot in both_orders(
            Ballot(goal.goal_id, judge, tuple(r.id for r in goal.rng.sample((bout.first, bout.second), 2)))
        )
    ]


def check_reviewable(goals: Sequence[GoalResults], judges: Sequence[str], n_scheduled: int) -> None:
    """Refuse a stage in which there are pairs, and each judge wrote a side of every one of them.

    Raises:
        ConfigError: So it is.
    """
    n_pairs = sum(len(goal.pairs) for goal in goals)
    if n_pairs and not n_scheduled:
        raise ConfigError(
            f"none of the judges ({', '.join(judges) or 'there are none'}) may review any of the "
            f"{n_pairs} pairs: nobody judges its own work; add a peer_reviewer or a second agent"
        )


def _distinct(results: Sequence[Interaction]) -> list[Interaction]:
    """Return one result for each text of each proposal."""
    first = {(r.parent_id, r.completion.strip()): r for r in reversed(results)}
    return sorted(first.values(), key=lambda r: r.id)


def _pairs_by_priority(results: list[Interaction], rng: random.Random) -> list[Pair]:
    """Return all comparable pairs, those first that a ranking needs most.

    First a path through the executions of each proposal, then one pair for each two proposals, neighbours
    on a random path first: from then on every result is connected with every other. Then the rest, within
    proposals before across them.
    """
    families: dict[str | None, list[Interaction]] = defaultdict(list)
    for result in rng.sample(results, len(results)):
        families[result.parent_id].append(result)
    paths: list[Pair] = []
    inside: list[Pair] = []
    for family in families.values():
        for (i, a), (j, b) in itertools.combinations(enumerate(family), 2):
            (paths if j == i + 1 else inside).append((a, b))
    bridges: list[Pair] = []
    shortcuts: list[Pair] = []
    across: list[Pair] = []
    for (i, left), (j, right) in itertools.combinations(enumerate(families.values()), 2):
        pairs = [(a, b) for a in left for b in right if a.completion.strip() != b.completion.strip()]
        rng.shuffle(pairs)
        (bridges if j == i + 1 else shortcuts).extend(pairs[:1])
        across += pairs[1:]
    for group in (shortcuts, inside, across):
        rng.shuffle(group)
    return [*paths, *bridges, *shortcuts, *inside, *across]


def _writers(result: Interaction, parents: Mapping[str, Interaction]) -> frozenset[str]:
    """Return the agents behind a result: its own, and the author of the proposal that it carries out."""
    parent = parents.get(result.parent_id) if result.parent_id else None
    return frozenset({result.agent} | ({parent.agent} if parent else set()))
