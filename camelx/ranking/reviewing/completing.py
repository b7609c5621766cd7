"""The second order of pairs that lean far enough to be exported but were shown in one order only.

In: the votes so far, as the cycle's own ranker sees them. Out: ballots, the surest pairs first.
"""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

from camelx.ranking.rankers import RankedVotes
from camelx.ranking.reviewing.schedule import Ballot
from camelx.ranking.reviewing.voting import Sitting
from camelx.schemas import Vote


def missing_orders(sitting: Sitting, ranked: RankedVotes, min_weight: float) -> list[Ballot]:
    """Return one ballot for each pair that would be exported with one more order.

    The reviewer with the largest weight is asked of those who saw the pair: what it prefers by position then
    cancels. A call that failed is not made again in this run.

    Args:
        sitting: With the votes.
        ranked: What the ranker made of them.
        min_weight: Least |2p - 1| of an exported pair.
    """
    weight = dict(zip(ranked.judges["judge"], ranked.judges["weight"].abs(), strict=True))
    by_pair: dict[frozenset[str], list[Vote]] = defaultdict(list)
    for vote in sorted(sitting.votes.values(), key=lambda v: (-weight.get(v.judge, 0.0), v.id)):
        if vote.verdict is not None:
            by_pair[frozenset((vote.first_id, vote.second_id))].append(vote)
    ballots = []
    for first, second in _lopsided(ranked.pairs, min_weight):
        for vote in by_pair[frozenset((first, second))]:
            ballot = Ballot(vote.goal_id, vote.judge, (vote.second_id, vote.first_id))
            if ballot not in sitting.failed and sitting.answered(ballot) is None:
                ballots.append(ballot)
                break
    return ballots


def _lopsided(pairs: pd.DataFrame, min_weight: float) -> list[tuple[str, str]]:
    weight = (2.0 * pairs["probability"] - 1.0).abs()
    chosen = pairs[(weight >= min_weight) & (pairs["n_orders"] == 1)].assign(weight=weight)
    chosen = chosen.sort_values(["weight", "first_id", "second_id"], ascending=[False, True, True])
    return list(zip(chosen["first_id"], chosen["second_id"], strict=True))
