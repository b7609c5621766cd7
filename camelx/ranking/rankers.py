"""One entry to all rankers, and the frames that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np
import pandas as pd

from camelx.config import BradleyTerryConfig, PeerRankConfig, RankerConfig, WinRateConfig
from camelx.ranking.bradley_terry import bradley_terry
from camelx.ranking.peer_rank import peer_rank
from camelx.ranking.strengths import Strengths
from camelx.ranking.votes import Codes, Floats, VoteTable, tabulate_votes
from camelx.ranking.win_rate import win_rate


@dataclass(frozen=True)
class RankedVotes:
    """What a ranker made of the votes."""

    items: pd.DataFrame
    """One row per result: goal_id, item_id, score, stderr, rank (1 is best, equal scores share a rank),
    n_votes. Sorted by goal and id."""
    pairs: pd.DataFrame
    """One row per reviewed pair: goal_id, first_id < second_id, probability (that the first wins, ties
    half), n_votes, n_orders (1 or 2), vote_ids (a sorted tuple)."""
    judges: pd.DataFrame
    """One row per judge: judge, weight (shares that sum to 1), n_votes that counted, n_unreadable, n_own
    (left out), tie_share, first_share (of its decided votes, those for what was shown first) and
    consistency (of the pairs it saw in both orders, those with the same verdict). NaN: nothing to count."""


def rank_votes(votes: pd.DataFrame, config: RankerConfig, *, drop_own: bool = True) -> RankedVotes:
    """Return the ranking of each goal's results.

    Args:
        votes: A frame with `VOTE_COLUMNS`.
        config: The ranker.
        drop_own: Leave out votes of a judge on its own work.

    Raises:
        DataValidationError: The frame holds no valid votes.
        ConfigError: The ranker can't work on these judges.
    """
    table = tabulate_votes(votes, drop_own=drop_own)
    strengths = estimate_strengths(table, config)
    return RankedVotes(_items(table, strengths), _pairs(table, strengths), _judges(table, strengths))


def estimate_strengths(table: VoteTable, config: RankerConfig) -> Strengths:
    """Return the strengths by the configured ranker."""
    match config:
        case WinRateConfig():
            return win_rate(table, config)
        case BradleyTerryConfig():
            return bradley_terry(table, config)
        case PeerRankConfig():
            return peer_rank(table, config)
        case _:
            assert_never(config)


def _items(table: VoteTable, strengths: Strengths) -> pd.DataFrame:
    ones = np.ones_like(table.outcome)
    return pd.DataFrame(
        {
            "goal_id": table.goals[table.item_goal],
            "item_id": table.item_ids,
            "score": strengths.score,
            "stderr": strengths.stderr,
            "rank": _ranks(table.item_goal, strengths.score),
            "n_votes": table.per_item(ones, ones),
        }
    )


def _ranks(goal: Codes, score: Floats) -> Codes:
    """Return each item's place in its goal, 1 for the highest score, equal scores sharing the best place."""
    score = np.round(score, 9)
    order = np.lexsort((-score, goal))
    place = np.arange(len(order))
    is_new_goal = np.diff(goal[order], prepend=-1) != 0
    is_new_score = is_new_goal | (np.diff(score[order], prepend=np.nan) != 0)
    start_of_goal = np.maximum.accumulate(np.where(is_new_goal, place, 0))
    start_of_score = np.maximum.accumulate(np.where(is_new_score, place, 0))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = start_of_score - start_of_goal + 1
    return ranks


def _pairs(table: VoteTable, strengths: Strengths) -> pd.DataFrame:
    k = len(table.low)
    n_votes = np.bincount(table.pair, minlength=k)
    n_low_first = np.bincount(table.pair[table.is_low_first], minlength=k)
    ids = table.vote_ids[np.argsort(table.pair, kind="stable")]
    ends = np.cumsum(n_votes)
    return pd.DataFrame(
        {
            "goal_id": table.goals[table.item_goal[table.low]],
            "first_id": table.item_ids[table.low],
            "second_id": table.item_ids[table.high],
            "probability": strengths.probability,
            "n_votes": n_votes,
            "n_orders": (n_low_first > 0).astype(int) + (n_low_first < n_votes).astype(int),
            "vote_ids": [tuple(sorted(ids[a:b])) for a, b in zip(ends - n_votes, ends, strict=True)],
        }
    )


def _judges(table: VoteTable, strengths: Strengths) -> pd.DataFrame:
    n = len(table.agents)
    weights = strengths.judge_weight
    if weights is None:
        weights = np.full(n, 1.0 / max(1, len(table.judges)))
    n_votes = np.bincount(table.judge, minlength=n)
    n_ties = np.bincount(table.judge[table.outcome == 0], minlength=n)
    n_first = np.bincount(table.judge[table.outcome == 1], minlength=n)
    frame = pd.DataFrame(
        {
            "judge": table.agents,
            "weight": weights,
            "n_votes": n_votes,
            "n_unreadable": table.n_unreadable,
            "n_own": table.n_own,
            "tie_share": _share(n_ties, n_votes),
            "first_share": _share(n_first, n_votes - n_ties),
            "consistency": _consistency(table),
        }
    )
    return frame.iloc[table.judges].reset_index(drop=True)


def _consistency(table: VoteTable) -> Floats:
    """Return per agent, of the pairs that it judged in both orders, the share with the same verdict."""
    k = max(1, len(table.low))
    seen, group = np.unique(table.judge * k + table.pair, return_inverse=True)
    group = group.reshape(-1)
    n = np.bincount(group, minlength=len(seen))
    n_low_first = np.bincount(group[table.is_low_first], minlength=len(seen))
    verdict = table.low_outcome
    total = np.bincount(group, verdict, len(seen))
    # The verdicts of a group are equal exactly where their variance is 0; sums of -1, 0, 1 are exact.
    is_same = n * np.bincount(group, verdict**2, len(seen)) == total**2
    is_both = (n_low_first > 0) & (n_low_first < n)
    n_both = np.bincount(seen[is_both] // k, minlength=len(table.agents))
    n_same = np.bincount(seen[is_both & is_same] // k, minlength=len(table.agents))
    return _share(n_same, n_both)


def _share(part: Codes, whole: Codes) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
