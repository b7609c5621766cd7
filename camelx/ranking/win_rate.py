"""Share of votes won, shrunk towards one half: the plainest ranker."""

from __future__ import annotations

import numpy as np

from camelx.config import WinRateConfig
from camelx.ranking.strengths import Strengths, sigmoid
from camelx.ranking.votes import VoteTable


def win_rate(table: VoteTable, config: WinRateConfig) -> Strengths:
    """Return the log odds of each item's shrunk win rate (wins + ties/2 + prior/2) / (n + prior).

    On the log-odds scale the difference of two scores gives the probability that one beats the other
    ("log5": rates .8 and .5 give .8). The standard error is that of a binomial share, by the delta method.
    Without a prior an undefeated item has the rate 1 - 1/(2n + 2), so that every score is finite.
    """
    won = (1.0 + table.outcome) / 2.0
    n = table.per_item(np.ones_like(won), np.ones_like(won))
    wins = table.per_item(won, 1.0 - won)
    weight = n + config.prior_votes
    rate = np.divide(wins + config.prior_votes / 2, weight, out=np.full_like(n, 0.5), where=weight > 0)
    edge = 0.5 / (n + 1.0)
    rate = np.clip(rate, edge, 1.0 - edge)
    score = np.log(rate) - np.log1p(-rate)
    stderr = 1.0 / np.sqrt(np.maximum(weight, 1.0) * rate * (1.0 - rate))
    return Strengths(score, stderr, sigmoid(score[table.low] - score[table.high]))
