"""Two reviewers who disagree see each other's reply once and vote again (PRD, arXiv 2307.02762).

In: the votes of a stage and what they say of each pair. Out: ballots of round 1. Both votes are kept; of a
judge's votes on one order of a pair rankers count the last.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence

import pandas as pd

from camelx.config import DiscussionConfig
from camelx.ranking.reviewing.schedule import Ballot
from camelx.ranking.reviewing.voting import Sitting
from camelx.schemas import Verdict, Vote

_WORTH = {Verdict.FIRST: 1, Verdict.TIE: 0, Verdict.SECOND: -1}


def discussion_ballots(
    sitting: Sitting, pairs: pd.DataFrame, anchored: set[frozenset[str]], settings: DiscussionConfig
) -> list[Ballot]:
    """Return what is asked again, the most valuable pairs first.

    Pairs that people judged come first, then those closest to one half. Of each pair the two reviewers
    discuss who disagree most, in the orders in which both saw it and said something else: in another order
    A and B are other results, and the other's reasons would speak of the wrong ones.

    Args:
        sitting: With the votes of round 0 and the turns behind them.
        pairs: Of `RankedVotes`, by the votes of round 0.
        anchored: Pairs of results that people judged.
        settings: How many pairs of a goal, and how close to one half.
    """
    votes: dict[frozenset[str], list[Vote]] = defaultdict(list)
    for vote in sorted(sitting.votes.values(), key=lambda v: v.id):
        if not vote.round and vote.verdict is not None:
            votes[frozenset((vote.first_id, vote.second_id))].append(vote)
    n_of = Counter[str]()
    ballots: list[Ballot] = []
    for goal_id, pair in _by_value(pairs, anchored, settings.min_value):
        if n_of[goal_id] < settings.max_pairs_per_goal and (found := _disagreement(votes[pair])):
            n_of[goal_id] += 1
            ballots += [_ballot(sitting, *both) for both in found]
    return ballots


def _by_value(
    pairs: pd.DataFrame, anchored: set[frozenset[str]], min_value: float
) -> list[tuple[str, frozenset[str]]]:
    """Return goal and pair, the most valuable first."""
    rows = []
    columns = (pairs[name] for name in ("goal_id", "first_id", "second_id", "probability"))
    for goal_id, first, second, p in zip(*columns, strict=True):
        pair, value = frozenset((first, second)), 1.0 - abs(2.0 * p - 1.0)
        if pair in anchored or value >= min_value:
            rows.append((pair not in anchored, -value, goal_id, first, second))
    return [(goal_id, frozenset((first, second))) for _, _, goal_id, first, second in sorted(rows)]


def _disagreement(votes: Sequence[Vote]) -> list[tuple[Vote, Vote]]:
    """Return (own, other's) votes of the two judges who differ most, each order from both sides."""
    by_judge: dict[str, dict[str, Vote]] = defaultdict(dict)
    for vote in votes:
        by_judge[vote.judge][vote.first_id] = vote
    most: list[tuple[Vote, Vote]] = []
    for a, b in itertools.combinations(sorted(by_judge), 2):
        orders = sorted(by_judge[a].keys() & by_judge[b].keys())
        met = [(by_judge[a][first], by_judge[b][first]) for first in orders]
        differing = [(mine, yours) for mine, yours in met if mine.verdict != yours.verdict]
        most = max(most, differing, key=_distance)
    return [both for mine, yours in most for both in ((mine, yours), (yours, mine))]


def _distance(differing: Sequence[tuple[Vote, Vote]]) -> int:
    verdicts = ((mine.verdict, yours.verdict) for mine, yours in differing)
    return sum(abs(_WORTH[a] - _WORTH[b]) for a, b in verdicts if a is not None and b is not None)


def _ballot(sitting: Sitting, own: Vote, other: Vote) -> Ballot:
    replies = tuple(_reply(sitting, vote) for vote in (own, other))
    return Ballot(own.goal_id, own.judge, (own.first_id, own.second_id), round=1, replies=replies)


def _reply(sitting: Sitting, vote: Vote) -> str:
    """Return the raw reply behind a vote, which every vote of a cycle has."""
    assert vote.interaction_id is not None
    return sitting.turns[vote.interaction_id].completion


def anchored_pairs(anchors: pd.DataFrame | None) -> set[frozenset[str]]:
    """Return the pairs that people judged."""
    if anchors is None:
        return set()
    return {frozenset(pair) for pair in zip(anchors["first_id"], anchors["second_id"], strict=True)}
