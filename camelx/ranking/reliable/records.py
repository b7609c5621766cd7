"""What was learned of each reviewer: how much it weighs, its biases, and how it fares with human labels.

In: the fitted reviewers, the labels. Out: columns for `RankedVotes.judges`, one row per agent.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from camelx.ranking.reliable.anchors import Anchored
from camelx.ranking.reliable.labels import Labels
from camelx.ranking.reliable.model import Link, Opinions, Reviewers
from camelx.ranking.votes import Codes, Floats, weighted_counts

_Z = 1.96


def learned_columns(opinions: Opinions, reviewers: Reviewers, link: Link) -> tuple[pd.DataFrame, Floats]:
    """Return the columns below for each agent, and the weights of their votes (agents,).

    reliability: correlation of the verdicts (both orders) with the differences in quality, from -1 to 1;
    negative where labels show it, never without them. first_bias, self_bias: mean vote, from -1 to 1, for
    what is shown first and for its own work, between equals; self_bias is NaN where no own work was judged.
    flip_variance: variance of one vote around the reviewer's mean vote on the pair. The sizes of the weights
    sum to 1. An agent with reviewers by category has their mean, by votes.
    """
    n_agents = len(opinions.table.agents)
    both = np.full(opinions.n_reviewers, 2.0)
    variance = reviewers.variance(np.arange(opinions.n_reviewers), both)
    slope = reviewers.discrimination * link.scale
    n = np.bincount(opinions.reviewer, minlength=opinions.n_reviewers)
    own = np.bincount(opinions.cell_reviewer % max(1, n_agents), opinions.own != 0, n_agents)

    agent = np.arange(opinions.n_reviewers) % max(1, n_agents)
    votes = weighted_counts(agent, n.astype(float), n_agents)

    def mean(values: Floats) -> Floats:
        total = weighted_counts(agent, n * values, n_agents)
        return np.divide(total, votes, out=np.zeros(n_agents), where=votes > 0)

    weight = mean(reviewers.weight(np.arange(opinions.n_reviewers), both))
    columns = pd.DataFrame(
        {
            "reliability": mean(slope / np.sqrt(slope**2 + variance)),
            "first_bias": mean(reviewers.first_bias),
            "self_bias": np.where(own > 0, mean(reviewers.self_bias), np.nan),
            "flip_variance": mean(reviewers.sigma),
        }
    )
    return columns, weight / max(float(np.abs(weight).sum()), 1e-9)


def human_columns(opinions: Opinions, labels: Labels, anchored: Anchored | None) -> pd.DataFrame:
    """Return per agent n_labels, human_before and human_after, the latter two with _low and _high.

    The share of labels that its verdicts meet as they are, and with the sign that other goals' labels give
    them, a tie half met, with 95 % intervals. Without `anchored` the labels gave no sign.
    """
    n_agents = opinions.n_reviewers
    row = np.full(len(opinions.table.low), -1)
    row[labels.pair] = np.arange(len(labels.pair))
    at = row[opinions.cell_pair]
    judge, verdict, at = opinions.cell_reviewer[at >= 0], np.sign(opinions.outcome[at >= 0]), at[at >= 0]
    turned = verdict
    if anchored is not None:
        category = labels.category[labels.goal[at]]
        turned = verdict * np.sign(anchored.held_out_weights[at, judge + n_agents * category])
    columns: dict[str, Floats | Codes] = {"n_labels": np.bincount(judge, minlength=n_agents)}
    for name, value in (("human_before", verdict), ("human_after", turned)):
        met = 1.0 - np.abs(value - labels.outcome[at]) / 2.0
        cells = np.array(
            [agreement_interval(met[judge == j], labels.goal[at][judge == j]) for j in range(n_agents)]
        )
        columns |= {name: cells[:, 0], f"{name}_low": cells[:, 1], f"{name}_high": cells[:, 2]}
    return pd.DataFrame(columns)


def agreement_interval(met: Floats, goal: Codes) -> tuple[float, float, float]:
    """Return the mean and its 95 % Wilson interval, labels of one goal counting as a cluster.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    n = len(met)
    if n == 0:
        return float("nan"), 0.0, 1.0
    share = float(met.mean())
    clusters = np.unique(goal, return_inverse=True)[1].reshape(-1)
    variance = float((np.bincount(clusters, met - share) ** 2).sum()) / n**2
    effective = min(float(n), share * (1.0 - share) / variance) if variance > 0 else float(n)
    centre = (share + _Z**2 / (2 * effective)) / (1 + _Z**2 / effective)
    spread = np.sqrt(share * (1 - share) / effective + _Z**2 / (4 * effective**2))
    half = _Z * spread / (1 + _Z**2 / effective)
    return share, float(centre - half), float(centre + half)
