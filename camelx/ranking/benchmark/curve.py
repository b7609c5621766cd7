"""The buying curve: accuracy by the share of the votes that were bought, against votes in random order."""

from __future__ import annotations

from typing import Any

import pandas as pd

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.benchmark.forecasts import forecast
from camelx.ranking.benchmark.rounds import Rounds
from camelx.ranking.rankers import rank_votes
from camelx.ranking.reviewing.buying import buying_curve

MAX_VOTES = 50_000
"""Data sets with more votes have no curve: it would take many minutes."""


def measure_buying(rounds: Rounds, seeds: int) -> dict[str, dict[str, Any]]:
    """Return {share of the votes: n_votes, bought, bought_sd, random, random_sd}.

    The figures are accuracies of three classes, means over the seeds with their standard deviations. The
    ranker is `reliable_peer_rank` without authors. A pair that has no vote yet is called by the scores of its
    results.

    Args:
        rounds: The recorded votes are the answers.
        seeds: Runs of each order.
    """
    votes = rounds.votes.assign(first_author=None, second_author=None)
    human = rounds.truth["human"].to_numpy(float)

    def accuracy(bought: pd.DataFrame) -> float:
        ranked = rank_votes(bought, ReliablePeerRankConfig(), drop_own=False)
        return float((forecast(ranked, rounds.truth).verdict == human).mean())

    curve = buying_curve(votes, accuracy, seeds=range(seeds))
    return {
        f"{row['share']:g}": {"n_votes": int(row["n_votes"])}
        | {name: float(row[name]) for name in ("bought", "bought_sd", "random", "random_sd")}
        for row in curve.to_dict("records")
    }
