"""One entry to all rankers, and the frames that they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import pandas as pd

from camelx.config import (
    BradleyTerryConfig,
    PeerRankConfig,
    RankerConfig,
    ReliablePeerRankConfig,
    WinRateConfig,
)
from camelx.ranking.bradley_terry import bradley_terry
from camelx.ranking.panel import Panel
from camelx.ranking.peer_rank import peer_rank
from camelx.ranking.records import conflicts, judge_frame
from camelx.ranking.reliable import reliable_peer_rank
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
    half), p_tie (NaN where the ranker has none), n_votes, n_orders (1 or 2), vote_ids (a sorted tuple)."""
    judges: pd.DataFrame
    """One row per judge, NaN where there is nothing to count: judge, weight (shares whose sizes sum to 1;
    negative where human labels show that its verdicts are better turned round), n_votes that counted,
    n_unreadable, n_own (left out), tie_share, first_share (of its decided votes, those for what was shown
    first), consistency (of the pairs it saw in both orders, those with the same verdict), swap_kappa (that
    beyond chance) and agreement (with the majority of the others, beyond chance), with _stderr each.
    `reliable_peer_rank` adds what `camelx.ranking.reliable.records` lists."""
    panel: Panel
    """Whether people stand behind the weights, and what speaks against trusting them."""


def rank_votes(
    votes: pd.DataFrame,
    config: RankerConfig,
    *,
    drop_own: bool = True,
    anchors: pd.DataFrame | None = None,
) -> RankedVotes:
    """Return the ranking of each goal's results.

    Args:
        votes: A frame with `VOTE_COLUMNS`, and `category` and `round` where there are any.
        config: The ranker.
        drop_own: Leave out votes of a judge on its own work.
        anchors: Human labels on any pairs with votes: goal_id, first_id, second_id, outcome (1, 0 or -1, seen
            from first_id). Several on one pair are summed. Only `reliable_peer_rank` takes them.

    Raises:
        DataValidationError: The frame holds no valid votes, or the anchors are no labels.
        ConfigError: The ranker can't work on these judges.
    """
    table = tabulate_votes(votes, drop_own=drop_own)
    strengths = estimate_strengths(table, config, anchors)
    judges = judge_frame(table, strengths.judge_weight)
    at_odds = conflicts(judges)
    panel = strengths.panel or Panel()
    panel = replace(panel, conflicts=tuple(at_odds.values()), in_conflict=tuple(at_odds))
    if strengths.learned is not None:
        judges = judges.join(strengths.learned.iloc[table.judges].reset_index(drop=True))
    return RankedVotes(_items(table, strengths), _pairs(table, strengths), judges, panel)


def estimate_strengths(
    table: VoteTable, config: RankerConfig, anchors: pd.DataFrame | None = None
) -> Strengths:
    """Return the strengths by the configured ranker."""
    match config:
        case WinRateConfig():
            return win_rate(table, config)
        case BradleyTerryConfig():
            return bradley_terry(table, config)
        case PeerRankConfig():
            return peer_rank(table, config)
        case ReliablePeerRankConfig():
            return reliable_peer_rank(table, config, anchors)
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
    ids = table.vote_ids
    ends = np.cumsum(n_votes)
    return pd.DataFrame(
        {
            "goal_id": table.goals[table.item_goal[table.low]],
            "first_id": table.item_ids[table.low],
            "second_id": table.item_ids[table.high],
            "probability": strengths.probability,
            "p_tie": np.full(k, np.nan) if strengths.p_tie is None else strengths.p_tie,
            "n_votes": n_votes,
            "n_orders": (n_low_first > 0).astype(int) + (n_low_first < n_votes).astype(int),
            "vote_ids": [tuple(sorted(ids[a:b])) for a, b in zip(ends - n_votes, ends, strict=True)],
        }
    )
