"""Votes weighted by how well the judge itself does: the ranker of the PRD paper."""

from __future__ import annotations

import numpy as np

from camelx.config import PeerRankConfig
from camelx.errors import ConfigError
from camelx.ranking.strengths import Strengths
from camelx.ranking.votes import Codes, Floats, VoteTable, weighted_counts


def peer_rank(table: VoteTable, config: PeerRankConfig) -> Strengths:
    """Return the weighted share of votes that each item won in its goal, both orders of a pair pooled.

    A pair whose weighted mean vote lies within `tie_width` of 0 has probability one half; else the
    probability is (1 + mean vote) / 2. Standard errors are binomial, with Kish's effective number of votes.

    Raises:
        ConfigError: A judge wrote none of the results, so it has no win rate to be weighted by.

    Source: Li, Patel and Du, PRD: Peer Rank and Discussion Improve LLM based Evaluations,
        https://arxiv.org/abs/2307.02762, section 3.1.
    """
    weights, _ = peer_weights(table, config.rounds)
    weight = weights[table.judge]
    won = weight * (1.0 + table.outcome) / 2.0
    total = table.per_item(weight, weight)
    score = _share(table.per_item(won, weight - won), total)
    n_effective = _share(total**2, table.per_item(weight**2, weight**2), empty=0.0)
    stderr = np.sqrt(np.maximum(score * (1.0 - score), 0.25 / (n_effective + 1.0)) / (n_effective + 1.0))
    mean = mean_votes(table.pair, len(table.low), table.low_outcome, weight)
    mean[np.abs(mean) <= config.tie_width] = 0.0
    return Strengths(score, stderr, (1.0 + mean) / 2.0, weights)


def peer_weights(table: VoteTable, rounds: int) -> tuple[Floats, Floats]:
    """Return each agent's weight (they sum to 1) and win rate (NaN where it wrote nothing).

    From equal weights, each round sets an agent's win rate to the weighted share of the votes on its work
    that it won, and its weight to that rate between the lowest (0) and the highest (1) of the judges.
    """
    _check_judges_write(table)
    n = len(table.agents)
    weights = np.zeros(n)
    weights[table.judges] = 1.0 / max(1, len(table.judges))
    rates = np.full(n, np.nan)
    for _ in range(rounds):
        weight = weights[table.judge]
        won = weight * (1.0 + table.outcome) / 2.0
        gained = _per_author(table, won, weight - won, n)
        rates = _share(gained, _per_author(table, weight, weight, n), empty=np.nan)
        weights[table.judges] = _min_max(rates[table.judges])
        weights /= max(weights.sum(), np.finfo(float).tiny)
    return weights, rates


def mean_votes(group: Codes, n_groups: int, outcome: Floats, weight: Floats) -> Floats:
    """Return the weighted mean outcome (n_groups,); 0 where no vote has weight."""
    total = weighted_counts(group, weight, n_groups)
    return _share(weighted_counts(group, weight * outcome, n_groups), total, empty=0.0)


def _check_judges_write(table: VoteTable) -> None:
    authors = np.union1d(table.first_author, table.second_author)
    if len(table.outcome) and (strangers := np.setdiff1d(table.judges, authors)).size:
        raise ConfigError(
            f"ranker peer_rank weighs a judge by its own results, but {', '.join(table.agents[strangers])} "
            "wrote none of those that were judged; let every judge write too, or set ranking.ranker.kind "
            "to bradley_terry"
        )


def _per_author(table: VoteTable, first: Floats, second: Floats, n: int) -> Floats:
    """Return the sums (n,) of what each vote gives the two authors; unknown authors are left out."""
    a, b = table.first_author, table.second_author
    return weighted_counts(a[a >= 0], first[a >= 0], n) + weighted_counts(b[b >= 0], second[b >= 0], n)


def _min_max(rates: Floats) -> Floats:
    """Return the rates stretched to 0..1; judges that are all alike get equal weights."""
    if not len(rates) or np.isnan(rates).all():
        return np.ones_like(rates)
    low, high = np.nanmin(rates), np.nanmax(rates)
    stretched = (rates - low) / (high - low) if high - low > 1e-12 else np.ones_like(rates)
    return np.nan_to_num(stretched, nan=0.0)


def _share(part: Floats, whole: Floats, empty: float = 0.5) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)
