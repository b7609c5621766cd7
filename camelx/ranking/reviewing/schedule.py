"""Who reviews which two results: the ballots of a stage, fixed by the seed.

In: the finished results of a cycle and the judges' names. Out: `Ballot`s, each pair in both orders.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from camelx.config import RankingConfig
from camelx.errors import ConfigError
from camelx.schemas import Interaction, stable_id

Pair = tuple[Interaction, Interaction]


@dataclass(frozen=True)
class Ballot:
    """One question to one judge: which of two results is better, shown in this order."""

    goal_id: str
    judge: str
    first_id: str
    second_id: str


def schedule_ballots(
    results: Sequence[Interaction],
    parents: Mapping[str, Interaction],
    judges: Sequence[str],
    settings: RankingConfig,
    seed: int,
) -> list[Ballot]:
    """Return the ballots, goal by goal; for each pair and judge both orders, a random one first.

    Unfinished results, and equal texts, are not compared; of several equal results of one proposal one
    stands for all. Nobody judges its own result or the execution of its own proposal. The ballots of a
    goal depend on the seed and on that goal alone, not on the order of `results`.

    Args:
        results: What is compared, of any number of goals.
        parents: Proposals by id.
        judges: Names of the agents that may review.
        settings: How many pairs per goal, and reviewers per pair.
        seed: Fixes pairs, judges and orders.

    Raises:
        ConfigError: There are pairs, and each judge wrote a side of every one of them.
    """
    by_goal: dict[str, list[Interaction]] = defaultdict(list)
    for result in sorted(results, key=lambda r: r.id):
        if result.is_finished:
            by_goal[result.goal_id].append(result)
    ballots: list[Ballot] = []
    n_pairs = 0
    for goal_id in sorted(by_goal):
        rng = random.Random(stable_id("ballots", seed, goal_id))
        pairs = _pairs_by_priority(_distinct(by_goal[goal_id]), rng)
        n_pairs += len(pairs)
        ballots += _ballots_of_goal(pairs, parents, judges, settings, rng)
    if n_pairs and not ballots:
        raise ConfigError(
            f"none of the judges ({', '.join(judges) or 'there are none'}) may review any of the "
            f"{n_pairs} pairs: nobody judges its own work; add a peer_reviewer or a second agent"
        )
    return ballots


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


def _ballots_of_goal(
    pairs: Sequence[Pair],
    parents: Mapping[str, Interaction],
    judges: Sequence[str],
    settings: RankingConfig,
    rng: random.Random,
) -> list[Ballot]:
    """Return the ballots on the first pairs that anybody may judge, the judges taking turns."""
    ballots: list[Ballot] = []
    n_left = settings.comparisons_per_goal
    turns = dict.fromkeys(rng.sample(sorted(judges), len(judges)), 0)
    for a, b in pairs:
        if not n_left:
            break
        barred = _writers(a, parents) | _writers(b, parents)
        allowed = sorted((judge for judge in turns if judge not in barred), key=turns.__getitem__)
        chosen = allowed[: settings.reviewers_per_pair]
        n_left -= bool(chosen)
        for judge in chosen:
            turns[judge] += 1
            first, second = rng.sample((a, b), 2)
            ballots.append(Ballot(a.goal_id, judge, first.id, second.id))
            ballots.append(Ballot(a.goal_id, judge, second.id, first.id))
    return ballots


def _writers(result: Interaction, parents: Mapping[str, Interaction]) -> set[str]:
    """Return the agents behind a result: its own, and the author of the proposal that it carries out."""
    parent = parents.get(result.parent_id) if result.parent_id else None
    return {result.agent} | ({parent.agent} if parent else set())
